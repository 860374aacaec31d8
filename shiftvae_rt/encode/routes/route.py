"""What a route is: a way from lines of a frame to latents."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["LEAST_SD", "Route", "RowStream"]

Floats = NDArray[np.float32]
#: Standard deviations below this are divided by this: a constant window gives zeros.
LEAST_SD = 1e-15


class RowStream(Protocol):
    """A frame on its way through a route that keeps state."""

    @property
    def first_line(self) -> int:
        """The first line of the frame that the next call of `push` needs."""
        ...

    def push(self, lines: NDArray[Any], top: int, rows: int) -> tuple[Floats, Floats]:
        """Mean and std ``(L, rows, cols)`` of the next `rows` rows of windows.

        ``lines (C, n, W)`` begin at line `top` of the frame and end with the last line of the last row.
        """
        ...


class Route(Protocol):
    """How a model's windows are encoded."""

    @property
    def description(self) -> str:
        """For people: what it is and why it was chosen."""
        ...

    def encode(self, lines: NDArray[Any], centre: NDArray[np.float64]) -> tuple[Floats, Floats]:
        """Mean and std ``(L, rows, cols)`` of every window in ``lines (C, H, W)``, raw detector units.

        By one thread; several may encode at a time.
        """
        ...

    def rows(self, width: int, centre: NDArray[np.float64]) -> RowStream | None:
        """A stream for a frame of `width` px that comes in parts, or None if `encode` serves as well."""
        ...

    def terminate(self) -> None:
        """Make the encoding that is going on in another thread fail soon."""
        ...
