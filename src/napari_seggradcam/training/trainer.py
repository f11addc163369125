"""One training from first weights to the native file, interruptible at every step."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .. import __version__
from ..errors import Cancelled, OptionError
from ..networks.network import Network
from ..networks.opening import best_device, open_network
from ..networks.unet import UNet
from .batches import Batches
from .checkpoint import TrainingFiles, read_checkpoint, write_checkpoint, write_history
from .interrupts import held_interrupts
from .loss import SegmentationLoss
from .options import TrainingOptions
from .sources import Cancel, Progress, TrainingSource, require_same_kind
from .validation import Score, validate


@dataclass(frozen=True)
class TrainingResult:
    """What a training gave.

    Parameters
    ----------
    network
        The best network, opened from the file that was written.
    best_score
        Its mean intersection over union on the validation source, as stored.
    history
        One entry per validation: ``step``, ``loss`` (mean since the last one),
        ``learning_rate``, ``mean_iou`` and ``iou <class>``.
    """

    network: Network
    best_score: float
    history: tuple[dict[str, float], ...]


def train(
    train_source: TrainingSource,
    validation_source: TrainingSource,
    options: TrainingOptions,
    out: str | Path,
    *,
    resume: bool = False,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> TrainingResult:
    """Train a U-Net and write it as a native file.

    The checkpoint ``<out>.checkpoint.pt`` is written at every validation and when the training
    is stopped; it is removed at the end. A training that is resumed gives what it would have
    given without a stop, on a processor to the last bit. ``<out>.history.csv`` stays.

    Parameters
    ----------
    train_source, validation_source
        Images to learn from and images that choose the best weights.
    options
        Architecture and settings.
    out
        The native file to write; ``.safetensors`` is appended where it lacks.
    resume
        Go on from the checkpoint.
    progress
        Called after every step with steps done, steps in all and a short text.
    cancel
        Asked after every step; True stops the training.

    Returns
    -------
    TrainingResult

    Raises
    ------
    TrainingDataError
        If the sources don't fit together or hold wrong data.
    OptionError
        If an option is wrong, there is nothing to resume, or there is an unfinished training
        that is not resumed.
    Cancelled
        If ``cancel`` returned True. The checkpoint is written first.
    KeyboardInterrupt
        After Ctrl-C in the main thread, when the step is done and the checkpoint written.
    """
    files = TrainingFiles.of(out)
    if not resume and files.checkpoint.exists():
        raise OptionError(
            f"{files.checkpoint} holds an unfinished training; resume it, or delete that file."
        )
    require_same_kind(train_source, validation_source)
    if options.num_workers:
        train_source.prepare(options.num_workers, progress, cancel)
    training = Training(train_source, validation_source, options)
    if resume:
        training.restore(read_checkpoint(files.checkpoint, training.plan))
    files.network.parent.mkdir(parents=True, exist_ok=True)
    with held_interrupts() as interrupted:

        def stopped() -> bool:
            return interrupted() or (cancel is not None and cancel())

        try:
            _run(training, files, progress, stopped)
        except Cancelled:
            write_checkpoint(files.checkpoint, training.state(), training.plan)
            if interrupted():
                raise KeyboardInterrupt from None
            raise
        result = training.finish(files)
    files.checkpoint.unlink(missing_ok=True)
    return result


def _run(
    training: "Training", files: TrainingFiles, progress: Progress | None, stopped: Cancel
) -> None:
    """All steps that are left, with the validations between them.

    Raises
    ------
    Cancelled
        If ``stopped`` returned True; the training is then at the end of a step.
    """
    steps = training.options.steps
    batches = iter(training.batches.loader(training.step))
    while True:
        if training.validation_is_due:
            training.validate(stopped)
            write_checkpoint(files.checkpoint, training.state(), training.plan)
            write_history(files.history, training.history)
        if progress is not None:
            progress(training.step, steps, training.words())
        if training.step == steps:
            return
        if stopped():
            raise Cancelled(
                f"The training was stopped after {training.step} of {steps} steps; it can be "
                f"resumed from {files.checkpoint}."
            )
        training.advance(*next(batches))


class Training:
    """A training between two steps: all that changes while it runs.

    Parameters
    ----------
    train_source, validation_source, options
        As for `train`.

    Attributes
    ----------
    step : int
        Steps done.
    history : list of dict
        One entry per validation.
    plan : dict
        Settings and data, as JSON.
    """

    def __init__(
        self,
        train_source: TrainingSource,
        validation_source: TrainingSource,
        options: TrainingOptions,
    ):
        self.options = options
        self.validation_source = validation_source
        self.network = _new_network(train_source, options)
        self.plan = {
            "settings": options.result_settings(),
            "training data": train_source.describe(),
            "validation data": validation_source.describe(),
        }
        normalisation = self.network.normalisation
        assert normalisation is not None
        self.batches = Batches(train_source, normalisation, options)
        self.loss = SegmentationLoss(
            options.class_weights, options.gap_weight, options.gap_width
        ).to(self.network.device)
        self.optimiser = torch.optim.AdamW(
            self.network.module.parameters(),
            lr=options.learning_rate,
            weight_decay=options.weight_decay,
        )
        self.step = 0
        self.history: list[dict[str, float]] = []
        self._losses: list[float] = []
        self._best_score = -1.0
        self._best_step = 0
        self._best_weights: dict[str, torch.Tensor] = {}

    @property
    def validation_is_due(self) -> bool:
        """Whether this step's validation has not been made yet."""
        due = self.step % self.options.validate_every == 0 or self.step == self.options.steps
        made = bool(self.history) and self.history[-1]["step"] == self.step
        return self.step > 0 and due and not made

    def advance(self, images: torch.Tensor, labels: torch.Tensor) -> None:
        """One step of the optimiser on a batch."""
        module, device = self.network.module, self.network.device
        module.train()
        for group in self.optimiser.param_groups:
            group["lr"] = self.options.learning_rate_at(self.step)
        logits = module(images.to(device))
        loss = self.loss(logits, _centre(labels.to(device), logits))
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        self._losses.append(float(loss.detach()))
        self.step += 1

    def validate(self, stopped: Cancel) -> None:
        """Score the network, keep its weights if they are the best, add to the history."""
        score = self._score(stopped)
        if score.mean > self._best_score:
            self._best_score, self._best_step = score.mean, self.step
            weights = self.network.module.state_dict()
            self._best_weights = {name: t.detach().cpu().clone() for name, t in weights.items()}
        self.history.append(
            {
                "step": self.step,
                "loss": float(np.mean(self._losses)),
                "learning_rate": self.options.learning_rate_at(self.step - 1),
                "mean_iou": score.mean,
                **{f"iou {name}": iou for name, iou in self._named(score).items()},
            }
        )
        self._losses.clear()

    def words(self) -> str:
        """The latest loss and score, for a progress bar."""
        if not self.history:
            return f"loss {self._losses[-1]:.3f}" if self._losses else "starting"
        latest = self.history[-1]
        loss = self._losses[-1] if self._losses else latest["loss"]
        return f"loss {loss:.3f}, mean IoU {latest['mean_iou']:.3f} (best {self._best_score:.3f})"

    def state(self) -> dict[str, Any]:
        """Tensors and plain values from which `restore` makes this training again."""
        return {
            "step": self.step,
            "weights": self.network.module.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "history": self.history,
            "losses": self._losses,
            "best_score": self._best_score,
            "best_step": self._best_step,
            "best_weights": self._best_weights,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a state."""
        self.network.module.load_state_dict(state["weights"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.history, self._losses = state["step"], state["history"], state["losses"]
        self._best_score, self._best_step = state["best_score"], state["best_step"]
        self._best_weights = state["best_weights"]

    def finish(self, files: TrainingFiles) -> TrainingResult:
        """Write the best network and open it again."""
        dtype = getattr(torch, self.options.stored_as)
        self.network.module.load_state_dict(
            {
                name: tensor.to(dtype).float() if tensor.is_floating_point() else tensor
                for name, tensor in self._best_weights.items()
            }
        )
        score = self._score(lambda: False)
        self.network.provenance = {
            **self.plan,
            "best step": self._best_step,
            "validation mean IoU": score.mean,
            "validation IoU": self._named(score),
            "versions": {
                "napari-seggradcam": __version__,
                "torch": torch.__version__,
                "numpy": np.__version__,
            },
        }
        self.network.name = files.network.stem
        self.network.save(files.network, dtype=self.options.stored_as)
        network = open_network(files.network, device=str(self.network.device))
        return TrainingResult(network, score.mean, tuple(self.history))

    def _score(self, stopped: Cancel) -> Score:
        return validate(
            self.network, self.validation_source, self.options.validation_limit, stopped
        )

    def _named(self, score: Score) -> dict[str, float]:
        return dict(zip(self.validation_source.classes, score.per_class, strict=True))


def _new_network(source: TrainingSource, options: TrainingOptions) -> Network:
    """Network with the first weights that the seed decides on.

    Raises
    ------
    OptionError
        If an option doesn't fit the architecture.
    """
    ndim = len(source.axes) - 1
    if options.class_weights is not None and len(options.class_weights) != len(source.classes):
        raise OptionError(
            f"{len(options.class_weights)} class weights were given for {len(source.classes)} "
            "classes; give one for each."
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        module = UNet(
            ndim=ndim,
            in_channels=source.channels,
            out_channels=len(source.classes),
            depth=options.depth,
            base_width=options.base_width,
            convolution=options.convolution,
            norm=options.norm,
            upsampling=options.upsampling,
        )
    network = Network.from_module(
        module.to(best_device() if options.device == "auto" else options.device),
        axes=source.axes,
        channels=source.channels,
        classes=source.classes,
        colours=source.colours,
        normalisation=options.chosen_normalisation(source),
    )
    rule = network.rules[0]
    fitting = rule.fit(max(options.crop - rule.margin, 1))
    if fitting != options.crop:
        raise OptionError(
            f"Crops of {options.crop} pixels don't fit this U-Net; the next size that does is "
            f"{fitting}."
        )
    return network


def _centre(labels: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """The labels that lie under the logits, which unpadded convolutions make smaller."""
    for axis in range(1, labels.ndim):
        extra = labels.shape[axis] - logits.shape[axis + 1]
        labels = labels.narrow(axis, extra // 2, logits.shape[axis + 1])
    return labels
