"""Formats that are read, by the file's ending; and ``FILE::NAME``, which names one of several datasets."""

from __future__ import annotations

from pathlib import Path

__all__ = ["FOLDERS", "READERS", "split_name"]

#: ending -> (module, expected kind of file). Each module has ``read(path, wanted)``.
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
    ".ser": ("tia", "a TIA series"),
    ".emd": ("emd", "an EMD file (Velox or Berkeley)"),
    ".mrc": ("mrc", "an MRC image"),
    ".hspy": ("hyperspy", "a HyperSpy file"),
    ".zspy": ("zarr_store", "a HyperSpy folder"),
    ".zarr": ("zarr_store", "a Zarr folder"),
    ".hdf5": ("hdf5", "an HDF5 file"),
    ".hf5": ("hdf5", "an HDF5 file"),
    ".h5": ("hdf5", "an HDF5 file"),
    ".sxm": ("nanonis", "a Nanonis scan"),
    ".gwy": ("gwyddion", "a Gwyddion file"),
    ".ibw": ("igor", "an Igor binary wave"),
    ".dat": ("createc", "a Createc image"),
    ".spm": ("nanoscope", "a NanoScope image"),
}

#: Endings of folders that count as one file.
FOLDERS = (".zspy", ".zarr")


def split_name(path: str | Path) -> tuple[Path, str | None]:
    r"""Split ``FILE::NAME`` into file and name; the name is None if there is none.

    Folders, drives and names may contain colons: a path that exists as a whole has no name, else the file ends at the
    first ``::`` after a known ending.

    >>> split_name("a::b/scan.h5::group/image")[1]
    'group/image'
    >>> split_name("C:/scans/a::b/scan.npy")[1] is None
    True
    """
    text = str(path)
    if "::" not in text or Path(text).exists():
        return Path(text), None
    parts = text.split("::")
    for end in range(1, len(parts)):
        file = "::".join(parts[:end])
        if Path(file).suffix.lower() in READERS:
            return Path(file), "::".join(parts[end:])
    return Path(text), None
