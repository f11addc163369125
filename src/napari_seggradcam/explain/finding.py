"""Which way a method goes: gradients and maps, weights that are found first, or all by itself."""

from collections.abc import Callable, Sequence
from functools import partial

from ..networks.network import Network
from ..networks.progress import Cancel, Progress
from .attributing import attribute
from .ground import Ground, ground_of
from .jobs import Asked, Found
from .methods.attributing import AttributionMethod
from .methods.preparing import PreparedMethod
from .methods.weighting import GradientMethod
from .passes import Passes
from .questions import Question
from .regions.output import on_output
from .regions.region import Footprint
from .views import View

# The class c of a question about a region, by what was asked for.
ClassOf = Callable[[int | str, Footprint], int]


def find(
    network: Network,
    view: View,
    questions: Sequence[tuple[Question, Footprint]],
    class_of: ClassOf,
    progress: Progress,
    cancel: Cancel | None,
) -> list[Found]:
    """Answer questions about one view of the image that have the same network layers and method.

    Parameters
    ----------
    network
        What is asked; use with its lock held, inside `as_found`, with gradients enabled.
    view
        What it sees at once.
    questions
        Questions, and their regions on the image.
    class_of
        Gives the class c.
    progress, cancel
        As for `Explainer.explain`.
    """
    first, _ = questions[0]

    def target_of(question: Question, region: Footprint) -> int:
        target = class_of(question.target, region)
        question.score.check(target)  # before anything runs for it
        return target

    def ground(question: Question, region: Footprint, sees_all: bool = False) -> Ground:
        return ground_of(
            network,
            view,
            question.layers,
            question.score.region(on_output(region, view.grid)),
            region,
            target_of(question, region),
            question.score,
            progress,
            cancel,
            sees_all,
        )

    method = first.method
    if isinstance(method, AttributionMethod):
        return [attribute(ground(*one, method.sees_all), one[0]) for one in questions]
    asked = []
    for question, region in questions:
        prepared = method
        if isinstance(method, PreparedMethod):
            prepared = method.prepare(ground(question, region))
        assert isinstance(prepared, GradientMethod)
        asked.append(
            Asked(
                question.score.region(on_output(region, view.grid)),
                partial(target_of, question, region),
                question.target == "predicted",
                question.score,
                prepared,
                question.truncate,
            )
        )
    passes = Passes(network, view.prepared, view.activations)
    return passes.ask(asked, first.layers, progress, cancel)
