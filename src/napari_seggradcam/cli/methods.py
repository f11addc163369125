"""How a question is asked: the method with its options, the score, and the extent that is kept."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin, get_type_hints

import typer

from ..errors import OptionError
from .asking import index_of

if TYPE_CHECKING:
    from ..networks.network import Network

SEG_GRAD_CAM = "seg-grad-cam"
_HOW = "How it is asked"

MethodName = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="What is made of feature maps and gradients, such as seg-hires-grad-cam, lrp or "
        "saliency; any other word lists all.",
        rich_help_panel=_HOW,
    ),
]
MethodOptions = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KEY=VALUE",
        help="Option of the method, such as window=8; may be repeated.",
        rich_help_panel=_HOW,
    ),
]
ScoreName = Annotated[
    Literal["logit", "margin", "log-probability", "probability"],
    typer.Option(help="What is added up over the region.", rich_help_panel=_HOW),
]
Versus = Annotated[
    str | None,
    typer.Option(
        metavar="CLASS", help="Class that --score margin asks against.", rich_help_panel=_HOW
    ),
]
Reduce = Annotated[
    Literal["sum", "mean"], typer.Option(help="Over the region.", rich_help_panel=_HOW)
]
Truncate = Annotated[
    str | None,
    typer.Option(
        metavar="EXTENT",
        help="Extent that heatmaps keep: support, distance, or mass:0.95. Default: all of it.",
        rich_help_panel=_HOW,
    ),
]


@dataclass(frozen=True)
class MethodChoice:
    """How the options ask.

    Parameters
    ----------
    method, score, reduce
        As for `Explainer.explain`.
    option
        The method's options as ``KEY=VALUE``.
    versus
        Name or index of a class.
    truncate
        ``"support"``, ``"distance"``, or ``"mass:"`` and a share.

    Raises
    ------
    typer.BadParameter
        If a word is not known; it names those that are.
    """

    method: MethodName = SEG_GRAD_CAM
    option: MethodOptions = None
    score: ScoreName = "logit"
    versus: Versus = None
    reduce: Reduce = "sum"
    truncate: Truncate = None

    def __post_init__(self) -> None:
        if self.versus is not None and self.score != "margin":
            raise typer.BadParameter("--versus belongs to --score margin.")
        if self.method != SEG_GRAD_CAM or self.option or self.truncate is not None:
            self._check()

    @property
    def is_plain(self) -> bool:
        """Whether it is Seg-Grad-CAM as published, with heatmaps of their whole extent."""
        return self.method == SEG_GRAD_CAM and not self.option and self.truncate is None

    def score_arguments(self, network: "Network") -> dict[str, Any]:
        """What `Explainer.explain` and `explain_large` take: the score.

        Raises
        ------
        TargetError
            If there is no such class.
        """
        versus = None if self.versus is None else index_of(network, "--versus", self.versus)
        return {"score": self.score, "versus": versus, "reduce": self.reduce}

    def arguments(self, network: "Network") -> dict[str, Any]:
        """What `Explainer.explain` takes: all of it.

        Raises
        ------
        TargetError
            If there is no such class.
        """
        extent = _extent(self.truncate)
        method = {"method": self.method, "truncate": extent, **self._options()}
        return self.score_arguments(network) | method

    def _check(self) -> None:
        from ..explain.methods.known import method_of
        from ..explain.truncation import Truncation

        try:
            Truncation.of(_extent(self.truncate))
        except OptionError as error:
            raise typer.BadParameter(
                f"--truncate {self.truncate}: expected support, distance, or mass:Q with a share Q "
                "above 0 and at most 1, such as mass:0.95."
            ) from error
        try:
            method_of(self.method, self._options())
        except OptionError as error:
            raise typer.BadParameter(str(error)) from error

    def _options(self) -> dict[str, Any]:
        """Options with values of the types that the method's fields have."""
        if not self.option:
            return {}
        from ..explain.methods.known import METHODS

        method = METHODS.get(self.method)
        hints = {} if method is None else get_type_hints(method)
        known = set() if method is None else {field.name for field in fields(method)}  # type: ignore[arg-type]
        options: dict[str, Any] = {}
        for text in self.option:
            key, equals, value = text.partition("=")
            if not equals:
                raise typer.BadParameter(f"--option {text!r} is not KEY=VALUE, such as window=8.")
            # What the method does not know is left to it, which says what it does.
            options[key] = _value(key, value, hints[key]) if key in known else value
        return options


def _value(key: str, text: str, hint: Any) -> Any:
    """A value of the type that a field has: a number, several with commas, or a word."""
    if get_origin(hint) is Literal:
        return text
    kinds = get_args(hint) or (hint,)
    if float not in kinds and int not in kinds:
        return text
    several = any(get_origin(kind) is Sequence for kind in kinds)
    number = float if float in kinds else int
    try:
        values = [number(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) == 1:
        return values[0]
    if values and several:
        return tuple(values)
    kind = "a number" if number is float else "a whole number"
    more = ", or several with commas" if several else ""
    raise typer.BadParameter(f"--option {key}={text}: expected {kind}{more}.")


def _extent(text: str | None) -> str | tuple[str, Any] | None:
    """An extent as `Explainer.explain` takes it; what is none is left to it to refuse."""
    if text is None:
        return None
    name, colon, share = text.partition(":")
    if not colon:
        return text
    try:
        return name, float(share)
    except ValueError:
        return name, share
