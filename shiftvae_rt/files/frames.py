"""Frames from any of the field's files."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from ..errors import DataFileError
from .recording import FrameStack, Recording, reading

__all__ = ["READERS", "read_frames"]

#: ending -> (module, what the file should be). Each module has ``read(path, wanted)``.
READERS = {
    ".npy": ("arrays", "a NumPy array"),
    ".npz": ("arrays", "a NumPy archive"),
    ".tif": ("tiff", "a TIFF image"),
    ".tiff": ("tiff", "a TIFF image"),
    ".png": ("images", "a PNG image"),
    ".jpg": ("images", "a JPEG image"),
    ".jpeg": ("images", "a JPEG image"),
    ".dm3": ("microscope", "a DigitalMicrograph file"),
    ".dm4": ("microscope", "a DigitalMicrograph file"),
    ".emd": ("microscope", "an EMD file (Velox or Berkeley)"),
    ".hspy": ("microscope", "a HyperSpy file"),
    ".hdf5": ("hdf5", "an HDF5 file"),
    ".h5": ("hdf5", "an HDF5 file"),
    ".sxm": ("nanonis", "a Nanonis scan"),
}


def read_frames(path: str | Path, *, dimensions: int | None = None) -> FrameStack:
    """Open a microscope file as a sequence of frames; each frame is read when it is indexed.

    Parameters
    ----------
    path
        A file of one of the endings of `READERS`. ``FILE::NAME`` picks one of several: a dataset (.npz .hdf5), a signal
        by title or number (.dm3 .dm4 .emd .hspy), a series by number (.tif), a channel (.sxm: ``Z``, ``Current``,
        ``Z:backward``).
    dimensions
        2 for images: two axes are one frame, three a stack of frames, four a stack of frames with channels.
        1 for signals: one axis is one signal, two a signal per row, three signals with channels.
        None: 1 for a single axis, else 2.

    Returns
    -------
    FrameStack
        At least one `Frame`: pixels in the file's own units and dtype (dtypes that the kernels do not read are widened
        without loss, RGB images become grey, .sxm topography is levelled row by row: `metadata` says so),
        y down, and the pixel size in nm where the file gives one.

    Raises
    ------
    DataFileError
        for a file that is missing, empty, truncated, foreign, or holds no such frames.

    Warns
    -----
    PixelSizeWarning
        if the pixels are not square; the frames then have no pixel size.
    """
    file, wanted = _split(path)
    if file.suffix.lower() not in READERS:
        endings = ", ".join(READERS)
        raise DataFileError(f"{file} has the ending {file.suffix!r}, expected one of {endings}: convert it first")
    if not file.is_file():
        raise DataFileError(f"{file} is {'a folder, not a file' if file.is_dir() else 'missing'}: check the path")
    module, what = READERS[file.suffix.lower()]
    with reading(file, what):
        if file.stat().st_size == 0:
            raise DataFileError(f"{file} is empty (0 bytes), expected {what}: was it saved or copied completely?")
        read: Callable[[Path, str | None], Recording] = import_module(f".{module}", __package__).read
        recording = read(file, wanted)
    recording.metadata.setdefault("file", file.name)
    return FrameStack(file, recording, dimensions)


def _split(path: str | Path) -> tuple[Path, str | None]:
    text = str(path)
    if "::" not in text or Path(text).exists():
        return Path(text), None
    file, _, name = text.rpartition("::")
    return Path(file), name
