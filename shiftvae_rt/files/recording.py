"""Recordings: what every reader gives, and the sequence of frames in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, overload

import numpy as np
from numpy.typing import NDArray

from ..errors import DataFileError, ShiftVaeError
from ..frame import DTYPES, Frame, PixelSize

__all__ = ["ChoiceWarning", "FrameStack", "LazyPixels", "Recording", "choose", "reading", "refuse_name"]

# The smallest detector dtype that holds every value of one that the kernels do not read.
# int64 is what NumPy makes of Python integers; detectors stay far below 2**53, where float64 is exact.
_WIDENED = {"bool": "uint8", "int8": "int16", "float16": "float32", "int64": "float64", "uint64": "float64"}


class ChoiceWarning(UserWarning):
    """Warning that names the channel that was read by default, where it is not the usual one, and the reason."""


class LazyPixels(Protocol):
    """An array that may still be in its file: `ndarray`, `memmap`, dask, or the type of a reader."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""

    def __getitem__(self, index: Any, /) -> Any: ...


@dataclass(frozen=True)
class Recording:
    """The pixels of one file.

    Parameters
    ----------
    pixels
        All axes of the file, frames first.
    dimensions
        1 for signals or 2 for images if the file says so, None if only the number of axes tells.
    pixel_size_nm
        Edges ``(y, x)`` of a pixel, nm; for signals the step along the signal.
    metadata
        Copied to `Frame.metadata`.
    unclear
        Why the file does not tell signals from images, and how to choose; None if it does.
    """

    pixels: LazyPixels
    dimensions: int | None = None
    pixel_size_nm: PixelSize = None
    metadata: dict[str, Any] = field(default_factory=dict)
    unclear: str | None = None


class FrameStack(Sequence[Frame]):
    """The frames of a recording; each is read when it is indexed.

    Parameters
    ----------
    path
        The file, for names and messages.
    recording
        Its pixels.
    dimensions
        1 or 2; None takes that of the recording, or else 1 for a single axis and 2 for more.

    Raises
    ------
    DataFileError
        if the axes cannot be frames of that dimension, or `dimensions` is None and the file does not tell.
    """

    def __init__(self, path: Path, recording: Recording, dimensions: int | None) -> None:
        self._path = path
        self._recording = recording
        shape = recording.pixels.shape
        natural = recording.dimensions
        if dimensions is None and recording.unclear is not None:
            raise DataFileError(f"{path} holds {recording.unclear}")
        self.dimensions = dimensions or natural or (1 if len(shape) == 1 else 2)
        extra = len(shape) - self.dimensions
        rows_as_signals = natural == 2 and self.dimensions == 1
        if natural == 1 and self.dimensions == 2:
            raise DataFileError(
                f"{path} holds 1D signals of shape {shape}, expected 2D frames: use a 1D model, or another file"
            )
        if not 0 <= extra <= 2 or (rows_as_signals and extra > 1) or 0 in shape:
            axes = (
                "length, or signals x length" if self.dimensions == 1 else "height x width, or frames x height x width"
            )
            raise DataFileError(
                f"{path} holds an array of shape {shape}, expected {self.dimensions}D frames ({axes}): "
                "select or reshape the data first"
            )
        self._single = extra == 0
        self._indices = range(1 if self._single else shape[0])
        chunks = getattr(recording.pixels, "chunks", (1,))
        #: Number of consecutive frames that share a chunk of the file, at least 1.
        self.frames_together = 1 if self._single else int(chunks[0])

    def __len__(self) -> int:
        return len(self._indices)

    @overload
    def __getitem__(self, index: int) -> Frame: ...
    @overload
    def __getitem__(self, index: slice) -> FrameStack: ...
    def __getitem__(self, index: int | slice) -> Frame | FrameStack:
        if isinstance(index, slice):
            part = object.__new__(FrameStack)
            part.__dict__.update(self.__dict__, _indices=self._indices[index])
            return part
        at = self._indices[index]
        with reading(self._path, "the pixels" if self._single else f"the pixels of frame {at}"):
            pixels = np.asarray(self._recording.pixels[...] if self._single else self._recording.pixels[at])
        name = self._path.name if self._single else f"{self._path.name}[{at}]"
        return Frame(
            _detector_dtype(pixels, self._path), self._recording.pixel_size_nm, name, dict(self._recording.metadata)
        )


def _detector_dtype(pixels: NDArray[Any], path: Path) -> NDArray[Any]:
    if pixels.dtype.name in DTYPES:
        return pixels
    if pixels.dtype.name in _WIDENED:
        return pixels.astype(_WIDENED[pixels.dtype.name])
    raise DataFileError(
        f"{path} holds values of dtype {pixels.dtype.name}, expected one of {', '.join(DTYPES)}: save real numbers"
    )


def choose(path: Path, names: Sequence[str], wanted: str | None, what: str) -> int:
    """Give the index of `wanted`, a name or a number, in `names`; None is allowed if there is only one.

    Raises
    ------
    DataFileError
        if there is no such name, or several and `wanted` is None; it lists the names.
    """
    offered = ", ".join(repr(name) for name in names)
    if wanted is None:
        if len(names) == 1:
            return 0
        raise DataFileError(
            f"{path} holds {len(names)} {what}s ({offered}), expected one: choose with '{path}::NAME'"
            if names
            else f"{path} holds no {what} that could be a frame"
        )
    if wanted in names:
        return list(names).index(wanted)
    if wanted.isdecimal() and int(wanted) < len(names):
        return int(wanted)
    raise DataFileError(f"{path} has no {what} {wanted!r}: choose one of {offered}")


@contextmanager
def reading(path: Path, what: str) -> Iterator[None]:
    """Turn any error of a parser on a damaged or foreign file into a `DataFileError` of one line."""
    try:
        yield
    except ShiftVaeError:
        raise
    except ModuleNotFoundError as error:
        raise DataFileError(
            f"reading {path} needs the Python package {error.name}, which is missing: pip install 'shiftvae-rt[io]'"
        ) from error
    except Exception as error:  # third-party parsers raise anything: struct.error, KeyError, RuntimeError...
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataFileError(
            f"{path} cannot be read: expected {what}, got '{reason}': is the file complete, and what its ending says?"
        ) from error


def refuse_name(path: Path, wanted: str | None) -> None:
    """Refuse ``FILE::NAME`` for a file that holds a single array without a name."""
    if wanted is not None:
        raise DataFileError(f"{path} holds one array without a name, got '::{wanted}': give the file alone")
