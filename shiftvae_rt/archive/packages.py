"""Packages of the extra ``[scale]``, which are imported when an archive is mapped and at no other time."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from ..errors import DataFileError

__all__ = ["need_distributed", "need_zarr"]

_INSTALL = "pip install 'shiftvae-rt[scale]'"


def need_zarr(output: str) -> None:
    """Check that `output` has the ending of an archive, and that zarr can write one.

    Raises
    ------
    DataFileError
        if it does not end in ``.zspy``, or zarr is missing or older than version 3.
    """
    if not output.rstrip("/").lower().endswith(".zspy"):
        raise DataFileError(f"an archive of maps is a folder that ends in .zspy, got {output}: rename it")
    if find_spec("zarr") is None:
        raise DataFileError(f"writing {output} needs the Python package zarr, which is not installed: {_INSTALL}")
    version = str(import_module("zarr").__version__)
    if int(version.partition(".")[0]) < 3:
        raise DataFileError(f"writing {output} needs version 3 of the Python package zarr, got {version}: {_INSTALL}")


def need_distributed() -> None:
    """Check that Dask's scheduler and workers are installed.

    Raises
    ------
    DataFileError
        if they are not.
    """
    if find_spec("distributed") is None:
        raise DataFileError(f"tasks on Dask need the Python package distributed, which is not installed: {_INSTALL}")
