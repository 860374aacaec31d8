"""A frame in bands of lines, which bound the memory and which threads share out.

A band is a frame of its own to a route, so threads need not meet before it is done, though the lines between bands are
encoded twice. Each window has the same bits in any band.
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

from ..kernels.window_grid import WindowGrid
from .routes import Route

__all__ = ["encode_in_bands"]

Floats = NDArray[np.float32]
#: Pixels of a band, but at least so many windows high: the lines between bands are encoded twice.
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
) -> tuple[Floats, Floats]:
    """Mean and std ``(latents, rows, cols)`` of every window in ``lines (C, H, W)``, raw detector units.

    Parameters
    ----------
    route, lines, centre
        What encodes, and what of: as for `Route.encode`, whose errors are passed on once no thread reads the lines.
    grid
        Of the windows in these lines.
    latents
        How many the route gives.
    threads
        That share out the bands, this one among them.
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
    """First rows of the bands, and the number of rows: for threads as many bands, or a multiple, if rows allow."""
    lines = max(BAND_PIXELS // grid.frame_shape[1], BAND_WINDOWS * grid.window[0])
    most = max(1, (lines - grid.window[0]) // grid.stride)
    bands = -(-grid.rows // most)
    if threads > 1:  # each with at least as many lines of its own as it shares
        own = grid.rows * grid.stride // max(grid.window[0], grid.stride)
        bands = max(bands, min(-(-bands // threads) * threads, own))
    return [grid.rows * i // bands for i in range(bands + 1)]


def _nothing() -> None:
    """Nobody waits between the bands of a helper."""


@functools.cache
def _helpers(threads: int) -> ThreadPoolExecutor:
    """Threads of this process beside the caller's, asleep between frames."""
    return ThreadPoolExecutor(threads - 1, thread_name_prefix="shiftvae-band")


if hasattr(os, "register_at_fork"):  # a forked child has none of them
    os.register_at_fork(after_in_child=_helpers.cache_clear)
