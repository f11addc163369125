"""The command that measures the shipped networks."""

from typing import TYPE_CHECKING, Annotated

import typer

from .console import progress_bar, table, write, write_json, write_rich
from .options import Json

if TYPE_CHECKING:
    from ..evaluate.demo import Row


Observed = Annotated[
    bool,
    typer.Option("--observations", help="Say what their heatmaps resemble, stage by stage."),
]


def evaluate(observations: Observed = False, as_json: Json = False) -> None:
    """Measure the demo networks on images that they were never trained on."""
    if observations:
        _observe(as_json)
        return
    from ..evaluate.demo import evaluate_demo_networks

    with progress_bar("Evaluating") as progress:
        report = evaluate_demo_networks(progress)
    if as_json:
        write_json(report.to_dict())
    else:
        rows = [_words(row) for row in report.rows()]
        write_rich(table(("network", "measure", "value", "goal", ""), rows))


def _observe(as_json: bool) -> None:
    from ..evaluate.demo_questions import observe_demo_networks
    from ..evaluate.observation_report import report, summaries

    with progress_bar("Observing") as progress:
        observed = observe_demo_networks(progress)
    if as_json:
        write_json([summaries(one) for one in observed])
    else:
        write("\n".join(report(one) for one in observed))


def _words(row: "Row") -> tuple[str, ...]:
    met = "" if row.met is None else "met" if row.met else "NOT met"
    return row.network, row.measure, f"{row.value:.3f}", row.goal, met
