"""Encoding of a frame in bands of lines: they bound the memory, and threads share them.

To a route each band is a frame of its own, so threads need not wait for each other, but the lines where bands overlap
are encoded twice. A window has the same bits in any band.
"""

from __future__ import annotations

import functools
import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..array_types import Float32
from ..kernels.window_grid import WindowGrid
from .routes import Route

__all__ = ["encode_in_bands"]

#: Pixels of a band, and its least height in windows: the lines where bands overlap are encoded twice.
BAND_PIXELS, BAND_WINDOWS = 1 << 19, 8


def encode_in_bands(
    route: Route,
    lines: NDArray[Any],
    centre: NDArray[np.float64],
    grid: WindowGrid,
    latents: int,
    *,
    threads: int,
    between: Callable[[], None] = lambda: None,
) -> tuple[Float32, Float32]:
    """Give mean and std ``(latents, rows, cols)`` of every window in ``lines (C, H, W)``, raw detector units.

    Parameters
    ----------
    route
        Encodes each band. Its errors are passed on once no thread reads the lines any more.
    lines, centre
        As for `Route.encode`.
    grid
        The windows in these lines.
    latents
        Number of latents that the route gives.
    threads
        Number of threads that share the bands, this one among them.
    between
        Called after each band that this thread encodes.
    """
    edges = _edges(grid, threads)
    if len(edges) == 2:
        whole = route.encode(lines, centre)
        between()
        return whole
    shape = (latents, grid.rows, grid.cols)
    mean, std = np.empty(shape, np.float32), np.empty(shape, np.float32)
    window, stride, todo = grid.window[0], grid.stride, deque(pairwise(edges))

    def work(after: Callable[[], None]) -> None:
        while todo:
            try:
                first, last = todo.popleft()
            except IndexError:  # another thread took the last one
                return
            try:
                band = route.encode(lines[:, first * stride : (last - 1) * stride + window], centre)
            except BaseException:
                todo.clear()  # the frame has failed
                raise
            mean[:, first:last], std[:, first:last] = band
            after()

    helpers: list[Future[None]] = []
    try:
        helpers.extend(_helpers(threads).submit(work, _nothing) for _ in range(min(threads, len(todo)) - 1))
        work(between)
    except BaseException:
        todo.clear()
        raise
    finally:
        begun = [helper for helper in helpers if not helper.cancel()]  # the others wait behind another frame
        wait(begun)
    for helper in begun:
        helper.result()
    return mean, std


def _edges(grid: WindowGrid, threads: int) -> list[int]:
    """Give the first row of each band, and the number of rows; a multiple of `threads` bands if the rows suffice."""
    lines = max(BAND_PIXELS // grid.frame_shape[1], BAND_WINDOWS * grid.window[0])
    most = max(1, (lines - grid.window[0]) // grid.stride)
    bands = -(-grid.rows // most)
    if threads > 1:  # each band has at least as many lines of its own as it shares with others
        own = grid.rows * grid.stride // max(grid.window[0], grid.stride)
        bands = max(bands, min(-(-bands // threads) * threads, own))
    return [grid.rows * i // bands for i in range(bands + 1)]


def _nothing() -> None:
    """Do nothing between the bands of a helper thread: nobody waits for it."""


@functools.cache
def _helpers(threads: int) -> ThreadPoolExecutor:
    """Give the helper threads of this process, which sleep between frames."""
    return ThreadPoolExecutor(threads - 1, thread_name_prefix="shiftvae-band")


if hasattr(os, "register_at_fork"):  # a forked child has none of them
    os.register_at_fork(after_in_child=_helpers.cache_clear)
