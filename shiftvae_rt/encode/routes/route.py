"""The interface of a route: a way from lines of a frame to latents."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...array_types import Float32

__all__ = ["Route", "RowStream"]


class RowStream(Protocol):
    """A frame that arrives in parts, in a route that keeps state."""

    @property
    def first_line(self) -> int:
        """The first line of the frame that the next call of `push` needs."""
        ...

    def push(self, lines: NDArray[Any], top: int, rows: int) -> tuple[Float32, Float32]:
        """Give mean and std ``(L, rows, cols)`` of the next `rows` rows of windows.

        ``lines (C, n, W)`` begin at line `top` of the frame and end with the last line of the last of these rows.
        """
        ...


class Route(Protocol):
    """A way to encode the windows of a model."""

    @property
    def description(self) -> str:
        """Description for people: what the route is, and why it was chosen."""
        ...

    def encode(self, lines: NDArray[Any], centre: NDArray[np.float64]) -> tuple[Float32, Float32]:
        """Give mean and std ``(L, rows, cols)`` of every window in ``lines (C, H, W)``, raw detector units.

        ``centre (C,)`` is as for `window_statistics`. A call takes one thread; several threads may call at a time.
        """
        ...

    def rows(self, width: int, centre: NDArray[np.float64]) -> RowStream | None:
        """Give a stream for a frame of `width` px that comes in parts, or None if `encode` serves as well."""
        ...

    def terminate(self) -> None:
        """Make the encoding in another thread fail soon."""
        ...
