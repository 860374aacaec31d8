"""The encoder families: the layers of each, their initial weights and their learning rate.

All have the same structure, which makes them exact when they slide over a frame (see `encoder_graph`): a stem of valid
convolutions without bias, the first with kernels that sum to zero, a division by the window's standard deviation, then
1x1 layers.

- ``convolutional``: three or four small dilated convolutions; neighbouring windows share their work. On a lattice they
  are linear, measure its waves and are turned back (`Turn`); for isolated features and several grains they have ReLU.
- ``mlp``: one convolution as large as the window, the dense network of the paper.

To add a family, write an object with the attributes of `EncoderFamily` and enter it in `ENCODERS`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from shiftvae_rt.errors import WindowError

__all__ = ["ENCODERS", "EncoderFamily", "Layer"]

#: Largest dilation.
WIDEST = 8


class Layer(NamedTuple):
    """One layer of a stem: edge of its kernel in px, dilation, and number of output channels."""

    size: int
    dilation: int
    width: int


class EncoderFamily(Protocol):
    """Structure and initial weights of the networks of a family.

    Attributes
    ----------
    head
        Channels between the 1x1 layers of the head.
    relu
        True: ReLU after each layer of the stem. False: the features get a bias and tanh after the division by the
        window's standard deviation.
    measures_waves
        Whether on a lattice of one grain the stem has no ReLU and measures waves, which are turned back.
    learning_rate
        Largest learning rate of Adam.
    """

    @property
    def head(self) -> tuple[int, ...]: ...  # noqa: D102  # described above
    @property
    def relu(self) -> bool: ...  # noqa: D102
    @property
    def measures_waves(self) -> bool: ...  # noqa: D102
    @property
    def learning_rate(self) -> float: ...  # noqa: D102

    def stem(self, window: int, waves: int = 0) -> list[Layer]:
        """Layers whose receptive field is exactly `window` px; raises `WindowError` if there are none.

        `waves`: number of waves that the last layer of a stem without ReLU measures; 0 for a stem with ReLU.
        """
        ...

    def start(self, shape: tuple[int, int, int, int], *, first: bool) -> Tensor:
        """Initial kernels ``(out, in, height, width)`` of the first layer or of a later one."""
        ...


@dataclass(frozen=True)
class Sliding:
    """Small dilated convolutions.

    Parameters
    ----------
    name
        Name of the family, for messages.
    edge
        Edge of the first kernel, px, or less in a smaller window; the dilation of the next layer is half of it.
    features
        Number of channels of the last layer, where it does not measure waves.
    head
        See `EncoderFamily`.
    """

    name: str
    edge: int
    features: int
    head: tuple[int, ...]
    relu: bool = True
    measures_waves: bool = True
    learning_rate: float = 5e-3

    def stem(self, window: int, waves: int = 0) -> list[Layer]:
        """See `EncoderFamily`; `window` must be a multiple of 4 px, and at least 8 px."""
        if window % 4 or window < 8:
            raise WindowError(
                f"the {self.name} encoder needs a window that is a multiple of 4 px, at least 8, got {window}"
            )
        edge = min(self.edge, window - 4)
        odd = [(2, 4)] if window % edge else []  # two taps for the 4 px that three-tap layers cannot add
        plan, rest, dilation = [(edge, 1), *odd], window - edge - 4 * len(odd), edge // 2
        while rest:  # each 3-tap layer of dilation d adds 2 d px: double d while the rest allows it
            while rest % (2 * dilation):
                dilation //= 2
            plan.append((3, dilation))
            rest -= 2 * dilation
            dilation = min(dilation * 2, WIDEST) if rest >= 4 * dilation else dilation
        plan = [plan[0], *sorted(plan[1:], key=lambda layer: layer[1])]
        # 16 channels on the finest grid, then 32, the block size of most matrix kernels. Without ReLU a single layer in
        # between does as well with 16; the losses of several add up.
        between = 16 if waves and len(plan) == 3 else 32
        widths = [16, *[between] * (len(plan) - 2), 2 * waves or self.features]
        return [Layer(size, dilation, width) for (size, dilation), width in zip(plan, widths, strict=True)]

    def start(self, shape: tuple[int, int, int, int], *, first: bool) -> Tensor:
        """Kernels with which successive ReLU layers start as a linear map that preserves variance.

        Every channel has a partner of opposite sign, so that what ReLU removes from one is kept by the other, and the
        next layer takes their difference. The phases of a lattice are linear in the window: they are available from the
        first step, and the content is not lost while they are learned.
        Source: "looks-linear" initialisation, Balduzzi et al., arXiv 1702.08591.
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
    measures_waves: bool = False
    learning_rate: float = 4e-3

    def stem(self, window: int, waves: int = 0) -> list[Layer]:  # noqa: ARG002  # it measures none
        """See `EncoderFamily`; `window` must be at least 4 px."""
        if window < 4:
            raise WindowError(f"the mlp encoder needs a window of at least 4 px, got {window}")
        return [Layer(window, 1, self.width)]

    def start(self, shape: tuple[int, int, int, int], *, first: bool) -> Tensor:  # noqa: ARG002  # there is one layer
        """Gaussian kernels whose output has the variance of a pixel."""
        return torch.randn(shape) / math.sqrt(math.prod(shape[1:]))


#: The families by their names on the command line and in settings.
ENCODERS: dict[str, EncoderFamily] = {
    "convolutional": Sliding("convolutional", edge=8, features=32, head=(64,)),
    "mlp": Dense(),
}
