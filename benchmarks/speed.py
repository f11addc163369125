"""Time and memory of Seg-Grad-CAM heatmaps beside the libraries that can make them.

Usage: python benchmarks/speed.py [--sizes 512 1024] [--cases new kept everywhere instances]
    [--norms batch instance] [--repeats 3] [--peer-repeats 1] [--threads 2]
    [--peers captum pytorch-grad-cam torch-cam] [--base-width 32] [--write FILE]

One process, the same images and regions of 32 × 32 pixels, and nine network layers; every repeat
has another image or region, and all maps are compared. The cases:

new         an image that was never seen before, and one region
kept        another region of an image that was seen before
everywhere  a new image, all of it as region
instances   a new image, and 32 discs and squares of it, each for itself; peers run on two of them

`cases` says what is asked, `contestants` who they are, and `measuring` how they are compared.
Figures are medians of processor time.
Needs captum, grad-cam and torchcam; what is not installed is left out, and said.
"""

import argparse
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cases import Case
from contestants import (
    PEERS,
    ByHand,
    Maps,
    by_hand,
    by_hand_each,
    installed,
    ours,
    ours_each,
    ours_new,
    warm_up,
)
from measuring import Measured, check, in_gib, in_seconds, markdown, write

import napari_seggradcam as sgc

CASES = {
    "new": "new image",
    "kept": "kept image",
    "everywhere": "everywhere",
    "instances": "32 instances",
}
INSTANCES, ASKED_OF_PEERS = 32, 2
# A new region on a kept image takes so little that one call says little.
REGIONS = 3

Results = dict[str, dict[str, Measured]]


class Race:
    """Contestants on one network at one size.

    Parameters
    ----------
    case
        What is asked.
    peers
        Libraries, by name.
    cases
        Names among `CASES`.
    """

    def __init__(self, case: Case, peers: list[str], cases: list[str]):
        self._case = case
        self._peers = peers
        self.results: Results = {
            name: {who: Measured() for who in ("ours", "by hand", *peers)} for name in cases
        }
        warm_up(case, peers)

    def run(self, name: str, number: int, with_peers: bool) -> None:
        """One repeat of one case."""
        peers = self._peers if with_peers else []
        {
            "new": self._new,
            "kept": self._kept,
            "everywhere": self._everywhere,
            "instances": self._instances,
        }[name](number, peers)

    def _new(self, number: int, peers: list[str], everywhere: bool = False) -> None:
        case, image = self._case, self._case.image()
        mask = case.everywhere() if everywhere else case.region()
        results = self.results["everywhere" if everywhere else "new"]
        mine, hand = _in_turn(
            number,
            lambda: results["ours"].run(lambda: ours_new(case, image, mask)),
            lambda: results["by hand"].run(lambda: by_hand(case, image, mask)),
        )
        check("by hand", [hand], [mine])
        for peer in peers:
            check(peer, [results[peer].run(lambda p=peer: PEERS[p](case, image, mask))], [mine])

    def _everywhere(self, number: int, peers: list[str]) -> None:
        self._new(number, peers, everywhere=True)

    def _kept(self, number: int, peers: list[str]) -> None:
        case, image, results = self._case, self._case.image(), self.results["kept"]
        mask, mine = self._on_kept(number, image)
        if "new" in self.results:
            # A peer keeps nothing, so that a region on a kept image costs it the same again.
            results |= {peer: self.results["new"][peer] for peer in self._peers}
            return
        for peer in peers:
            check(peer, [results[peer].run(lambda p=peer: PEERS[p](case, image, mask))], [mine])

    def _on_kept(self, number: int, image: np.ndarray) -> tuple[np.ndarray, Maps]:
        """New regions, asked by those who keep an image; the first one, and its maps."""
        case, results = self._case, self.results["kept"]
        explainer = sgc.Explainer(case.network, image)
        ours(case, explainer, case.region())
        masks = [case.region() for _ in range(1 + REGIONS)]

        def ask(who: str, question: Callable[[np.ndarray], Maps]) -> list[Maps]:
            me = results[who]
            first = me.run(lambda: question(masks[0]), timed=False)
            return [first, *(me.run(lambda m=m: question(m), weighed=False) for m in masks[1:])]

        mine, hand = _in_turn(
            number,
            lambda: ask("ours", lambda mask: ours(case, explainer, mask)),
            lambda: ask("by hand", ByHand(case, image).ask),
        )
        check("by hand", hand, mine)
        return masks[0], mine[0]

    def _instances(self, number: int, peers: list[str]) -> None:
        case, image, results = self._case, self._case.image(), self.results["instances"]
        labels = case.instances(INSTANCES)
        new = partial(sgc.Explainer, case.network, image)
        mine, hand = _in_turn(
            number,
            lambda: results["ours"].run(lambda: ours_each(case, new(), labels)),
            lambda: results["by hand"].run(lambda: by_hand_each(case, image, labels)),
        )
        check("by hand", hand, mine)
        masks = [labels == 1 + number for number in range(ASKED_OF_PEERS)]
        for peer in peers:
            results[peer].scale = INSTANCES / ASKED_OF_PEERS
            theirs = results[peer].run(lambda p=peer: [PEERS[p](case, image, m) for m in masks])
            check(peer, theirs, mine[:ASKED_OF_PEERS])


def _in_turn(number: int, first: Callable[[], Any], second: Callable[[], Any]) -> tuple[Any, Any]:
    """Both results; every other time the second one goes first."""
    if number % 2:
        later = second()
        return first(), later
    return first(), second()


def times(all_results: dict[tuple[str, int], Results], peers: list[str]) -> str:
    """Medians, and in brackets their ratios to ours, as a table."""
    others = ["by hand", *peers]
    head = ["network", "case", "image", "ours, processor", "ours, wall"]
    head += [f"{who}, processor" for who in others]
    rows = []
    for (norm, size), results in all_results.items():
        for name, measured in results.items():
            mine, theirs = measured["ours"], [measured[who].seconds for who in others]
            row = [f"{norm} norm", CASES[name], f"{size}²"]
            row += [in_seconds(mine.seconds), in_seconds(mine.wall_seconds)]
            row += [f"{in_seconds(t)} ({_ratio(t / mine.seconds)} ×)" for t in theirs]
            rows.append(row)
    return markdown(head, rows)


def memory(all_results: dict[tuple[str, int], Results], peers: list[str]) -> str:
    """By how much resident memory grew at the peak of a call, as a table; empty if unknown."""
    who = ["ours", "by hand", *peers]
    rows = []
    for (norm, size), results in all_results.items():
        for name, measured in results.items():
            if not measured["ours"].memory:
                return ""
            peaks = [in_gib(max(measured[one].memory)) for one in who]
            rows.append([f"{norm} norm", CASES[name], f"{size}²", *peaks])
    return markdown(["network", "case", "image", *(f"{one}, memory" for one in who)], rows)


def slower(all_results: dict[tuple[str, int], Results]) -> str:
    """How much slower we are where the network sees the whole image, as a table."""
    rows: list[list[str]] = []
    for (norm, size), results in all_results.items():
        local = all_results.get(("batch", size))
        if norm != "instance" or local is None:
            continue
        rows += [
            [CASES[name], f"{size}²", _ratio(m["ours"].seconds / local[name]["ours"].seconds)]
            for name, m in results.items()
        ]
    return markdown(["case", "image", "instance norm ÷ batch norm, ours"], rows) if rows else ""


def _ratio(ratio: float) -> str:
    return f"{ratio:.0f}" if ratio >= 100 else f"{ratio:.1f}" if ratio >= 10 else f"{ratio:.2f}"


def _paragraphs(parts: Iterable[str]) -> str:
    return "\n\n".join(part for part in parts if part)


def main() -> None:
    """Measure, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[512])
    parser.add_argument("--cases", nargs="+", default=["new", "kept"], choices=list(CASES))
    parser.add_argument("--norms", nargs="+", default=["batch"], choices=["batch", "instance"])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--peer-repeats", type=int, default=1, help="the first ones of the repeats")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peers", nargs="*", default=list(PEERS), choices=list(PEERS))
    parser.add_argument("--base-width", type=int, default=32, help="less: to try the program")
    parser.add_argument("--write", type=Path, help="Markdown file for the tables")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    peers = installed(given.peers)
    results = {}
    for size in given.sizes:
        for norm in given.norms:
            race = Race(Case.reference(size, norm, given.base_width), peers, given.cases)
            for number in range(given.repeats):
                for name in given.cases:
                    print(f"{norm} norm, {CASES[name]}, {size}², repeat {number}", flush=True)
                    race.run(name, number, number < given.peer_repeats)
            results[norm, size] = race.results
    scaled = (
        f"Libraries ran on {ASKED_OF_PEERS} of the {INSTANCES} instances, and their time is "
        f"multiplied by {INSTANCES // ASKED_OF_PEERS}."
    )
    paragraphs = [
        times(results, peers),
        scaled if "instances" in given.cases and peers else "",
        memory(results, peers) or "Peak memory can't be reset here, and is left out.",
        slower(results),
    ]
    write(given.write, _paragraphs(paragraphs))


if __name__ == "__main__":
    main()
