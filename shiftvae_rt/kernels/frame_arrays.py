"""Arrays that go into the kernels of a frame, checked, and those that come out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import FrameError, WindowError
from ..frame import DTYPES

__all__ = ["buffer_for", "check_frame", "per_channel"]

_NATIVE = frozenset(np.dtype(name) for name in DTYPES)


def per_channel(frame: NDArray[Any], centre: ArrayLike) -> NDArray[np.float64]:
    """Give the constant of each channel of ``frame (C, H, W)``, ``(C,)``, from one or one for each."""
    constants = np.asarray(centre, dtype=np.float64)
    if constants.shape not in ((), (frame.shape[0],)):
        raise FrameError(
            f"expected one centre for each of {frame.shape[0]} channels, got an array of shape {constants.shape}"
        )
    return np.array(np.broadcast_to(constants, (frame.shape[0],)), dtype=np.float64)


def check_frame(frame: Any) -> None:
    """Refuse what is not a frame ``(C, H, W)`` of a dtype that the kernels read."""
    if not isinstance(frame, np.ndarray) or frame.ndim != 3 or frame.size == 0:
        shape = frame.shape if isinstance(frame, np.ndarray) else type(frame).__name__
        raise FrameError(f"expected a frame of shape (channels, height, width), got {shape}: use as_pixels")
    if frame.dtype not in _NATIVE:
        raise FrameError(
            f"expected pixels of dtype {', '.join(DTYPES)} in native byte order, got {frame.dtype.str}: use as_pixels"
        )
    if (frame.shape[2] > 1 and frame.strides[2] != frame.itemsize) or not frame.flags.aligned:
        raise FrameError(
            f"expected lines whose pixels are adjacent in memory (a stride of {frame.itemsize} bytes, aligned), "
            f"got a stride of {frame.strides[2]} bytes: use as_pixels"
        )


def buffer_for(out: NDArray[np.float32] | None, shape: tuple[int, ...], what: str) -> NDArray[np.float32]:
    """Give `out` after a check, or new memory; MemoryError names the size that the machine cannot give."""
    if out is None:
        size = math.prod(shape) * 4
        try:
            return np.empty(shape, dtype=np.float32)
        except (MemoryError, ValueError):
            raise MemoryError(
                f"{what} of shape {shape} need {size / 2**30:.1f} GiB, more than this machine gives: "
                "use a larger stride, or take the frame in bands"
            ) from None
    if out.dtype != np.float32 or out.shape != shape or not (out.flags.c_contiguous and out.flags.writeable):
        layout = "contiguous" if out.flags.c_contiguous else "not contiguous"
        raise WindowError(
            f"expected out as a writeable C-contiguous float32 array of shape {shape}, "
            f"got {out.dtype} of shape {out.shape}, {layout}{'' if out.flags.writeable else ', read-only'}"
        )
    return out
