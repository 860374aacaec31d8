"""A network of pyroVED or AtomAI as tensors, and what it computes in torch: the reference for the graphs.

Both packages use the spatial VAE (Bepler et al., arXiv 1909.11663): latents ``[turn][shift along axis 0 and 1][scale]
[content]``, each with the prior N(0, 1); the decoder evaluates a pixel at ``s R(phi) r + t`` with ``t = prior * shift``
and ``s = 1 + prior * scale``. There r runs from -1 to 1 over the window, its axis 0 downwards and its axis 1 to the
left; the one axis of a signal to the left. The reported shift is the position of the motif in the window: the r at
which that expression is 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name that torch users read

__all__ = ["ACTIVATIONS", "ForeignDecoder", "ForeignModel", "Layer"]

#: Weight and bias of a linear layer ``(out, in)`` or a convolution ``(out, in, kh, kw)``.
Layer = tuple[Tensor, Tensor]
ACTIVATIONS = {"tanh": torch.tanh, "relu": torch.relu, "softplus": F.softplus, "lrelu": F.leaky_relu}
#: Slope below 0 of the leaky ReLU after convolutions.
CONVOLUTION_SLOPE = 0.1


@dataclass(frozen=True)
class ForeignDecoder:
    """A decoder: of coordinates (one pixel at a time) if `coordinates` is given, else of all pixels at once.

    Attributes
    ----------
    coordinates, content
        First layer of a coordinate decoder: ``(hidden, axes)`` with bias, and ``(hidden, m)`` without.
    dense, activation
        Linear layers, the activation after each.
    out, sigmoid
        Last layer, and whether a sigmoid follows it.
    """

    coordinates: Layer | None
    content: Tensor | None
    dense: tuple[Layer, ...]
    activation: str
    out: Layer
    sigmoid: bool


@dataclass(frozen=True)
class ForeignModel:
    """An encoder of single windows, and its decoder if that is known.

    Attributes
    ----------
    package
        Name of the package.
    window
        ``(height, width)`` px; height 1 for a signal.
    convolutions
        3 x 3 convolutions with a leaky ReLU after each, on the padded window; often none.
    dense, activation
        Linear layers on the flattened window, the activation after each.
    mean, deviation, softplus
        The two heads; the deviation is softplus of the second, or exp if `softplus` is False.
    invariances
        Letters of ``rts`` that the model has, in that order: rotation, translation, scale.
    shift_prior, scale_prior
        Unit of the shift latents in half windows, and of the scale latent.
    decoder
        The decoder, or None.
    """

    package: str
    window: tuple[int, int]
    convolutions: tuple[Layer, ...]
    dense: tuple[Layer, ...]
    activation: str
    mean: Layer
    deviation: Layer
    softplus: bool
    invariances: str
    shift_prior: float
    scale_prior: float
    decoder: ForeignDecoder | None

    @property
    def axes(self) -> int:
        """1 for signals, 2 for images."""
        return 1 + (self.window[0] > 1)

    @property
    def content(self) -> int:
        """Number of content latents."""
        return len(self.mean[1]) - sum(self.axes if letter == "t" else 1 for letter in self.invariances)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the reported latents: shift, rotation, scale, content."""
        shift = ("dy", "dx")[2 - self.axes :] if "t" in self.invariances else ()
        further = [name for letter, name in (("r", "phi"), ("s", "scale")) if letter in self.invariances]
        return (*shift, *further, *(f"z{i + 1}" for i in range(self.content)))

    @property
    def half_px(self) -> tuple[float, ...]:
        """Distance along each axis, px, that one unit of the shift latents moves an unturned motif of scale 1."""
        return tuple(self.shift_prior * (n - 1) / 2 for n in self.window[2 - self.axes :])

    @property
    def priors(self) -> dict[str, float]:
        """Priors by name, as given to the package."""
        known = {"t": ("shift", self.shift_prior), "s": ("scale", self.scale_prior)}
        return dict(pair for letter, pair in known.items() if letter in self.invariances)

    @property
    def prior_sd(self) -> tuple[float, ...]:
        """Prior standard deviation of each reported latent, to first order, in its unit."""
        shift = self.half_px if "t" in self.invariances else ()
        further = {"r": 180 / math.pi, "s": 100 * self.scale_prior}
        return (*shift, *(sd for letter, sd in further.items() if letter in self.invariances), *[1.0] * self.content)

    @property
    def description(self) -> str:
        """Architecture in words."""
        sizes = [len(bias) for _, bias in (*self.dense, self.mean)]
        inputs = "-".join(map(str, [math.prod(self.window), *sizes]))
        if self.convolutions:
            return f"{len(self.convolutions)} convolutions of {len(self.convolutions[0][1])}, {inputs}"
        return f"{inputs} {self.activation}"

    def encode(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and deviation ``(n, L)`` of scaled ``windows (n, h, w)`` as the package gives them, float64."""
        x = windows.double()[:, None]
        for weight, bias in self.convolutions:
            pad = [int(n > 1) for n in weight.shape[2:]]
            x = F.leaky_relu(F.conv2d(x, weight.double(), bias.double(), padding=pad), CONVOLUTION_SLOPE)
        x = x.flatten(1)
        for weight, bias in self.dense:
            x = ACTIVATIONS[self.activation](F.linear(x, weight.double(), bias.double()))
        mean, raw = (F.linear(x, weight.double(), bias.double()) for weight, bias in (self.mean, self.deviation))
        return mean, F.softplus(raw) if self.softplus else raw.exp()

    def parts(self, latents: Tensor) -> dict[str, Tensor]:
        """Package's ``latents (n, L)`` by the letter of their invariance, content as ``z``."""
        sizes = [{"t": self.axes, "z": self.content}.get(letter, 1) for letter in (*self.invariances, "z")]
        return dict(zip((*self.invariances, "z"), torch.split(latents, sizes, dim=1), strict=True))

    def reorder(self, latents: Tensor) -> Tensor:
        """Package's ``latents (n, L)`` in the order of `names`."""
        parts = self.parts(latents)
        return torch.cat([parts[letter] for letter in "trsz" if letter in parts], dim=1)

    def report(self, mean: Tensor, deviation: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and deviation ``(n, L)`` of the reported latents in the order of `names`, in px, degrees and per cent.

        Deviations are to first order; that of the shift leaves out the uncertainty of rotation and scale.
        """
        means, deviations = self.parts(mean), self.parts(deviation)
        scale = 1 + self.scale_prior * means["s"] if "s" in means else mean.new_ones(len(mean), 1)
        if "t" in means:
            px = mean.new_tensor(self.half_px) / scale
            if self.axes == 2:
                turn = means.get("r", mean.new_zeros(len(mean), 1))
                back = torch.stack([turn.cos(), turn.sin(), -turn.sin(), turn.cos()], -1).view(-1, 2, 2)
                sign = mean.new_tensor([-1.0, 1.0])
                means["t"] = sign * torch.einsum("nij,nj->ni", back, means["t"])
                deviations["t"] = torch.einsum("nij,nj->ni", back.square(), deviations["t"].square()).sqrt()
            means["t"], deviations["t"] = means["t"] * px, deviations["t"] * px
        if "r" in means:
            means["r"], deviations["r"] = means["r"].rad2deg(), deviations["r"].rad2deg()
        if "s" in means:
            means["s"] = 100 * (1 / scale - 1)
            deviations["s"] = 100 * self.scale_prior * deviations["s"] / scale.square()
        order = [letter for letter in "trsz" if letter in means]
        return tuple(torch.cat([found[letter] for letter in order], dim=1) for found in (means, deviations))  # type: ignore[return-value]
