"""The command that measures the shipped networks."""

from .console import progress_bar, write, write_json
from .options import Json


def evaluate(as_json: Json = False) -> None:
    """Measure the demo networks on images that they were never trained on."""
    from ..evaluate.demo import evaluate_demo_networks

    with progress_bar("Evaluating") as progress:
        report = evaluate_demo_networks(progress)
    if as_json:
        write_json(report.rows)
    else:
        write(report.text)
