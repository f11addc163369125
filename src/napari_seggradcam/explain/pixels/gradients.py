"""Pixel methods that take gradients of the score with respect to the input.

With the score S, the input x and a baseline x', all of shape (channels, *spatial).
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch

from ..completeness import Completeness
from ..input_score import InputScore, gradients_told
from ..methods.attributing import Attribution
from ..neutral_inputs import check_kind, kind_in_words
from ..options import check_count, check_from_zero
from .method import PixelMethod, attribution_of, load_captum

_NO_GRADIENT = "The score does not change with the input: its gradient is zero at every pixel."


@dataclass(frozen=True)
class Saliency(PixelMethod):
    """Size of the gradient, |dS/dx|: how much S changes with a small change of a value.

    References
    ----------
    K. Simonyan, A. Vedaldi, A. Zisserman: Deep Inside Convolutional Networks: Visualising Image
    Classification Models and Saliency Maps. ICLR workshop 2014.
    """

    name: ClassVar[str] = "saliency"
    nothing_positive = _NO_GRADIENT

    def attribute(self, score: InputScore) -> Attribution:
        """Size of the gradient; see `PixelMethod.attribute`."""
        method = load_captum(self.name).Saliency(score)
        score.expect(1, self.name)
        with gradients_told():
            return attribution_of(method.attribute(score.tensor.clone().requires_grad_()))


@dataclass(frozen=True)
class InputTimesGradient(PixelMethod):
    """x · dS/dx: the share of every value where S is linear, seen from a baseline of zero.

    In a network without biases whose only non-linearities are rectifiers and pooling by maximum,
    the sum over all values is S.

    References
    ----------
    A. Shrikumar, P. Greenside, A. Shcherbina, A. Kundaje: Not Just a Black Box: Learning Important
    Features Through Propagating Activation Differences. arXiv 1605.01713, 2016.
    """

    name: ClassVar[str] = "input-x-gradient"

    def attribute(self, score: InputScore) -> Attribution:
        """Product x · dS/dx; see `PixelMethod.attribute`."""
        method = load_captum(self.name).InputXGradient(score)
        score.expect(1, self.name)
        with gradients_told():
            return attribution_of(method.attribute(score.tensor.clone().requires_grad_()))


@dataclass(frozen=True)
class IntegratedGradients(PixelMethod):
    """(x - x') · ∫₀¹ dS/dx (x' + t (x - x')) dt: what leads from the score of x' to that of x.

    The sum over all values is S(x) - S(x'). The integral is a Gauss-Legendre sum, whose steps are
    doubled until the sum is complete within a tolerance; if it is not within the steps that are
    allowed, the facts say so (``complete``).

    Attributes
    ----------
    baseline
        x': ``"zero"``, ``"mean"`` or ``"blur"``, or a tensor; see `neutral_input`.
    tolerance
        How far the sum may be from complete: the share of the difference of the score that is
        missing or too much; see `Completeness`.
    most_steps
        Steps at most; they are doubled until the sum is complete.

    References
    ----------
    M. Sundararajan, A. Taly, Q. Yan: Axiomatic Attribution for Deep Networks. ICML 2017.
    """

    name: ClassVar[str] = "integrated-gradients"
    baseline: Literal["zero", "mean", "blur"] | torch.Tensor = "zero"
    tolerance: float = 0.01
    most_steps: int = 1024

    def __post_init__(self) -> None:
        check_kind(self.baseline, ("zero", "mean", "blur"))
        Completeness(self.tolerance, self.most_steps)

    def attribute(self, score: InputScore) -> Attribution:
        """Attributions that add up to S(x) - S(x'); see `PixelMethod.attribute`."""
        method = load_captum(self.name).IntegratedGradients(score)
        image, baseline = score.tensor, score.neutral(self.baseline)
        score.expect(2, self.name)
        with torch.no_grad():
            at_image, at_baseline = float(score(image)), float(score(baseline))

        def integrate(steps: int) -> torch.Tensor:
            with gradients_told():
                values: torch.Tensor = method.attribute(
                    image, baseline, n_steps=steps, internal_batch_size=score.batch
                )
            return values

        values, facts = Completeness(self.tolerance, self.most_steps).reach(
            integrate, at_baseline, at_image, lambda steps: score.expect(steps, self.name)
        )
        return attribution_of(values, baseline=kind_in_words(self.baseline), **facts)


@dataclass(frozen=True)
class SmoothGrad(PixelMethod):
    """Size of the mean gradient of noisy images, |1/n Σᵢ dS/dx (x + εᵢ)|, εᵢ normal.

    The mean is the gradient of S smoothed with a Gaussian, and this its `Saliency`.

    Attributes
    ----------
    samples
        Noisy images, n.
    noise
        Standard deviation of the noise, as a share of the range of values of x.
    seed
        Of the noise.

    References
    ----------
    D. Smilkov, N. Thorat, B. Kim, F. Viégas, M. Wattenberg: SmoothGrad: removing noise by adding
    noise. arXiv 1706.03825, 2017.
    """

    name: ClassVar[str] = "smooth-grad"
    nothing_positive = _NO_GRADIENT
    samples: int = 25
    noise: float = 0.15
    seed: int = 0

    def __post_init__(self) -> None:
        check_count("samples", self.samples)
        check_from_zero("noise", self.noise)
        check_count("seed", self.seed, least=0)

    def attribute(self, score: InputScore) -> Attribution:
        """Size of the mean gradient; see `PixelMethod.attribute`."""
        captum = load_captum(self.name)
        method = captum.NoiseTunnel(captum.Saliency(score))
        image = score.tensor
        sigma = self.noise * float(image.max() - image.min())
        score.expect(self.samples, self.name)
        devices = [image.device] if image.is_cuda else []
        with torch.random.fork_rng(devices), gradients_told():
            torch.manual_seed(self.seed)
            mean = method.attribute(
                image,
                nt_samples=self.samples,
                nt_samples_batch_size=min(self.samples, score.batch),
                stdevs=sigma,
                abs=False,
            )
        facts = {"samples": self.samples, "noise_sigma": sigma, "seed": self.seed}
        return attribution_of(mean.abs(), **facts)
