"""Jobs end in exactly one way, and deliveries take one step per turn of the event loop."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from qtpy.QtCore import QThread, QTimer

from napari_seggradcam.errors import Cancelled
from napari_seggradcam.widgets.job import Delivery, Job


def outcomes(job: Job) -> list[Any]:
    seen: list[Any] = []
    job.succeeded.connect(lambda result: seen.append(("succeeded", result)))
    job.failed.connect(lambda error: seen.append(("failed", str(error))))
    job.cancelled.connect(lambda: seen.append(("cancelled", None)))
    job.ended.connect(lambda: seen.append(("ended", None)))
    return seen


def run(qtbot: Any, job: Job) -> list[Any]:
    seen = outcomes(job)
    job.start()
    qtbot.waitUntil(lambda: ("ended", None) in seen, timeout=20_000)
    return seen


def test_success_and_progress_reach_the_gui_thread(qtbot: Any) -> None:
    threads = []
    job = Job("adding", lambda progress, _cancel: progress(1, 2, "half") or 5)
    job.progressed.connect(lambda *said: threads.append((said, QThread.currentThread())))
    assert run(qtbot, job) == [("succeeded", 5), ("ended", None)]
    assert threads == [((1, 2, "half"), QThread.currentThread())]


def test_an_error_is_reported_and_not_raised(qtbot: Any) -> None:
    def work(_progress: Any, _cancel: Any) -> None:
        raise ValueError("no such thing")

    assert run(qtbot, Job("failing", work)) == [("failed", "no such thing"), ("ended", None)]


@pytest.mark.parametrize("finishes", [True, False])
def test_a_cancelled_job_gives_no_result(qtbot: Any, finishes: bool) -> None:
    begun = threading.Event()

    def work(_progress: Any, cancel: Any) -> int:
        begun.set()
        while not cancel():
            pass
        if finishes:
            return 1
        raise Cancelled("stopped")

    job = Job("waiting", work)
    seen = outcomes(job)
    job.start()
    qtbot.waitUntil(begun.is_set, timeout=20_000)
    job.cancel()
    qtbot.waitUntil(lambda: ("ended", None) in seen, timeout=20_000)
    assert seen == [("cancelled", None), ("ended", None)]


def test_work_of_a_moment_is_reported_at_once_and_once(qtbot: Any) -> None:
    job = Job("adding", lambda _progress, _cancel: 5)
    seen = outcomes(job)
    job.start_and_wait()
    assert seen == [("succeeded", 5), ("ended", None)]
    qtbot.wait(50)  # the thread's own end comes later, and says nothing more
    assert len(seen) == 2


def test_longer_work_goes_on_in_its_thread(qtbot: Any) -> None:
    go_on = threading.Event()
    job = Job("waiting", lambda _progress, _cancel: go_on.wait(20))
    seen = outcomes(job)
    job.start_and_wait()
    assert seen == []
    go_on.set()
    qtbot.waitUntil(lambda: ("ended", None) in seen, timeout=20_000)
    assert seen == [("succeeded", True), ("ended", None)]


def test_between_two_steps_the_event_loop_turns(qtbot: Any) -> None:
    order: list[str] = []

    def steps() -> Iterator[int]:
        for step in range(3):
            order.append(f"step {step}")
            QTimer.singleShot(0, lambda: order.append("turn"))
            yield step

    delivery = Delivery(steps())
    with qtbot.waitSignal(delivery.ended):
        delivery.start()
    qtbot.waitUntil(lambda: order.count("turn") == 3)
    assert order[:4] == ["step 0", "turn", "step 1", "turn"]


def test_a_stopped_delivery_takes_no_further_step(qtbot: Any) -> None:
    taken: list[int] = []

    def steps() -> Iterator[int]:
        for step in range(3):
            taken.append(step)
            yield step

    delivery = Delivery(steps())
    delivery.progressed.connect(lambda _step: delivery.stop())
    with qtbot.waitSignal(delivery.ended):
        delivery.start()
    qtbot.wait(30)
    assert taken == [0]


def test_a_step_that_fails_ends_the_delivery(qtbot: Any) -> None:
    def steps() -> Iterator[int]:
        yield 0
        raise ValueError("layer refused")

    delivery, errors = Delivery(steps()), []
    delivery.failed.connect(lambda error: errors.append(str(error)))
    with qtbot.waitSignal(delivery.ended):
        delivery.start()
    assert errors == ["layer refused"]
