"""The encoder families: which layers each has, how they start, how fast they learn.

They share one shape, which makes them exact when they slide over a frame (see `encoder_graph`): a stem of
valid convolutions without bias whose first layer sums to zero, a division by the window's standard deviation, then 1x1
layers.

- ``dilated``: four or five small dilated convolutions with ReLU; neighbouring windows share their work.
- ``narrow``: fewer, of half the width at the end: the first sees 8 x 8 px, and the others need its output at every
  fourth px only. Less than half the time of ``dilated``, a little more noise in the maps.
- ``mlp``: one convolution as large as the window, the dense network of the paper.

A family of your own is an object with the attributes of `EncoderFamily` and a line in `ENCODERS`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from shiftvae_rt.errors import WindowError

__all__ = ["ENCODERS", "EncoderFamily", "Layer"]

#: Largest dilation; a 1x1 layer has it too, and so needs no finer grid than the largest stride does.
WIDEST = 8


class Layer(NamedTuple):
    """One layer of a stem: edge of its kernel in px, dilation, and number of channels that it gives."""

    size: int
    dilation: int
    width: int


class EncoderFamily(Protocol):
    """What a family says about its networks.

    Attributes
    ----------
    head
        Channels between the 1x1 layers of the head.
    relu
        True: ReLU after each layer of the stem. False: the features get a bias and tanh after the division by the
        window's standard deviation.
    learning_rate
        Peak of Adam's.
    """

    @property
    def head(self) -> tuple[int, ...]: ...  # noqa: D102  # described above
    @property
    def relu(self) -> bool: ...  # noqa: D102
    @property
    def learning_rate(self) -> float: ...  # noqa: D102

    def stem(self, window: int) -> list[Layer]:
        """Layers whose receptive field is exactly `window` px; `WindowError` for a window that they cannot have."""
        ...

    def start(self, shape: tuple[int, int, int, int], *, first: bool) -> Tensor:
        """Kernels ``(out, in, height, width)`` to begin with, of the first layer or of a later one."""
        ...


@dataclass(frozen=True)
class Sliding:
    """Small dilated convolutions with ReLU.

    Parameters
    ----------
    name
        Name of the family, for messages.
    edge
        Edge of the first kernel, px; the dilation of the next layer is half of it.
    features
        Channels of the last layer.
    head
        See `EncoderFamily`. Where it is empty, the last layer of the stem is the hidden one: without bias and before
        the division, which saves an eighth of the time.
    """

    name: str
    edge: int
    features: int
    head: tuple[int, ...]
    relu: bool = True
    learning_rate: float = 5e-3

    def stem(self, window: int) -> list[Layer]:
        """See `EncoderFamily`: a multiple of 4 px, at least 4 px more than the first kernel."""
        if window % 4 or window < self.edge + 4:
            needed = f"a window that is a multiple of 4 px, at least {self.edge + 4}"
            raise WindowError(f"the {self.name} encoder needs {needed}, got {window}")
        odd = [(2, 4)] if window % self.edge else []  # two taps for what three taps of dilation 4 step over
        plan, rest, dilation = [(self.edge, 1), *odd], window - self.edge - 4 * len(odd), self.edge // 2
        while rest:  # each 3-tap layer of dilation d adds 2 d: double d while what is left allows it
            while rest % (2 * dilation):
                dilation //= 2
            plan.append((3, dilation))
            rest -= 2 * dilation
            dilation = min(dilation * 2, WIDEST) if rest >= 4 * dilation else dilation
        plan = [plan[0], *sorted(plan[1:], key=lambda layer: layer[1])]
        plan = plan if self.head else [*plan, (1, WIDEST)]
        # 16 channels where values lie dense, then 32, a whole block of most processors
        widths = [16, *[32] * (len(plan) - 2), self.features]
        return [Layer(size, dilation, width) for (size, dilation), width in zip(plan, widths, strict=True)]

    def start(self, shape: tuple[int, int, int, int], *, first: bool) -> Tensor:
        """Kernels with which ReLU layers in a row start as a linear map that keeps variance.

        Every channel has another with the opposite sign, so that what ReLU cuts from one the other keeps, and the next
        layer takes their difference (Balduzzi et al. 2017, "looks linear"). The phases of a lattice are linear in the
        window: they are there from the first step, and the content is not lost while they are learned.
        """
        width, before, *kernel = shape
        inputs = before if first else before // 2
        half = nn.init.orthogonal_(torch.empty(width // 2, inputs * math.prod(kernel))).view(-1, inputs, *kernel)
        signed = half if first else torch.cat([half, -half], dim=1)
        return torch.cat([signed, -signed])


@dataclass(frozen=True)
class Dense:
    """One layer as large as the window."""

    width: int = 128
    head: tuple[int, ...] = (128,)
    relu: bool = False
    learning_rate: float = 4e-3

    def stem(self, window: int) -> list[Layer]:
        """See `EncoderFamily`: any window of at least 4 px."""
        if window < 4:
            raise WindowError(f"the mlp encoder needs a window of at least 4 px, got {window}")
        return [Layer(window, 1, self.width)]

    def start(self, shape: tuple[int, int, int, int], *, first: bool) -> Tensor:  # noqa: ARG002  # there is one layer
        """Gaussian kernels whose sums have the variance of a pixel."""
        return torch.randn(shape) / math.sqrt(math.prod(shape[1:]))


#: The families by the name that a user types.
ENCODERS: dict[str, EncoderFamily] = {
    "dilated": Sliding("dilated", edge=4, features=64, head=(64,)),
    "narrow": Sliding("narrow", edge=8, features=32, head=()),
    "mlp": Dense(),
}
