"""HDF5: a plain dataset without calibration, or a file of HyperSpy or Berkeley's EMD with this ending."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..named_axes import Plain, read_plain
from ..recording import Recording
from . import emd, hyperspy
from .hdf5_dataset import open_dataset

__all__ = ["read"]


def read(path: Path, wanted: str | None) -> Recording:
    """Open the dataset that `wanted` names, or the only numeric one with at least two axes, or else the only 1D one.

    The names of its axes (dimension labels or scales, as h5netcdf writes them) decide which is y and which x.
    """
    import h5py

    found: dict[str, Plain] = {}

    def note(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.dtype.kind in "uifb" and item.shape and item.size:
            found[name] = Plain(open_dataset(path, name), item.dtype, _axis_names(item))

    with h5py.File(path, "r") as file:
        if str(file.attrs.get("file_format", "")) == "HyperSpy":
            return hyperspy.read(path, wanted)
        if groups := emd.berkeley_groups(file):
            return emd.read_berkeley(path, wanted, groups)
        file.visititems(note)
    images = {name: plain for name, plain in found.items() if len(plain.pixels.shape) >= 2}
    return read_plain(path, wanted, found if wanted is not None or not images else images)


def _axis_names(dataset: Any) -> list[str]:
    """Give the labels of the axes, or the names of their scales; empty if there are none."""
    return [dim.label or (dim[0].name.rpartition("/")[2] if len(dim) else "") for dim in dataset.dims]
