"""Reading of frames from the files of microscopes and their programs."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from ..errors import DataFileError
from .formats import FOLDERS, READERS, split_name
from .recording import ChoiceWarning, FrameStack, Recording, reading

__all__ = ["read_frames"]


def read_frames(path: str | Path, *, dimensions: int | None = None) -> FrameStack:
    """Open a microscope file as a sequence of frames; each frame is read when it is indexed.

    Parameters
    ----------
    path
        A file of one of the endings of `READERS`, or the URL of a Zarr folder that fsspec opens
        (``s3://bucket/movie.zarr``). ``FILE::NAME`` picks one of several: a dataset (.npz .hdf5 .zarr), a
        signal by title or number (.dm3 .dm4 .emd .hspy .zspy), a series by number (.tif), a channel (.sxm .gwy .ibw
        .dat .spm: ``Z``, ``Current``, ``Z:backward``), one sample of a pixel (``0``), all as channels (``all``), or
        height and width of an image whose lines stand one after another (``1500x2000``).
    dimensions
        2 for images: two axes are one frame, three a stack of frames, four a stack of frames with channels.
        1 for signals: one axis is one signal, two a signal per row, three signals with channels.
        None: 1 for a single axis, else 2.

    Returns
    -------
    FrameStack
        At least one `Frame`: pixels in the file's own units and dtype (dtypes that the kernels do not read are widened
        without loss, RGB images become grey, raw topography of a scanned probe is levelled row by row: `metadata` says
        so), read-only, y down, and the pixel size in nm where the file gives one.

    Raises
    ------
    DataFileError
        for a file that is missing, empty, truncated, foreign, or holds no such frames; and for a spectrum image or one
        long axis if `dimensions` is None.

    Warns
    -----
    ChoiceWarning
        if no channel was named and the usual one was not taken: it names the one that was, and why.
    """
    if "://" in str(path):
        return _read_url(str(path), dimensions)
    file, wanted = split_name(path)
    if file.suffix.lower() not in READERS:
        endings = ", ".join(READERS)
        raise DataFileError(f"{file} has the ending {file.suffix!r}, expected one of {endings}: convert it first")
    folder = file.suffix.lower() in FOLDERS and file.is_dir()
    if not file.is_file() and not folder:
        raise DataFileError(f"{file} is {'a folder, not a file' if file.is_dir() else 'missing'}: check the path")
    module, what = READERS[file.suffix.lower()]
    with reading(file, what):
        if not folder and file.stat().st_size == 0:
            raise DataFileError(f"{file} is empty (0 bytes), expected {what}: was it saved or copied completely?")
        read: Callable[[Path, str | None], Recording] = import_module(f".readers.{module}", __package__).read
        recording = read(file, wanted)
    recording.metadata.setdefault("file", file.name)
    if "chosen" in recording.metadata:
        warnings.warn(f"{file}: {recording.metadata['chosen']}", ChoiceWarning, stacklevel=2)
    return FrameStack(file, recording, dimensions)


def _read_url(text: str, dimensions: int | None) -> FrameStack:
    """Open a Zarr folder in a store; its name in messages is that of a path."""
    url, _, wanted = text.partition("::")
    place = Path(url)
    if place.suffix.lower() not in FOLDERS:
        raise DataFileError(f"{url} is a URL, expected one that ends in {' or '.join(FOLDERS)}: copy the file first")
    with reading(place, "a Zarr folder"):
        recording = import_module(".readers.zarr_store", __package__).read(place, wanted or None, url=url)
    recording.metadata.setdefault("file", place.name)
    return FrameStack(place, recording, dimensions)
