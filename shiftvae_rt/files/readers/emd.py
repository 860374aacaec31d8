"""EMD files. Berkeley's are HDF5 groups with named axes and are read here; Velox's are left to RosettaSciIO."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..axes import Arranged, layout_of
from ..calibration import length_nm, pixel_edges_nm
from ..recording import Recording, choose
from . import microscope
from .hdf5_dataset import open_dataset

__all__ = ["berkeley_groups", "read", "read_berkeley"]


def read(path: Path, wanted: str | None) -> Recording:
    """Open the only signal of the file, or the one that `wanted` names."""
    import h5py

    with h5py.File(path, "r") as file:
        groups = berkeley_groups(file)
    return read_berkeley(path, wanted, groups) if groups else microscope.read(path, wanted)


def berkeley_groups(file: Any) -> dict[str, str]:
    """Map the names of groups in an open HDF5 file to the paths of their datasets ``group/data``; empty if none."""
    import h5py

    found: dict[str, str] = {}

    def note(name: str, item: Any) -> None:
        if isinstance(item, h5py.Group) and "emd_group_type" in item.attrs:
            for key, data in item.items():
                is_data = isinstance(data, h5py.Dataset) and not key.startswith("dim")
                if is_data and data.dtype.kind in "uifb" and data.shape and data.size:
                    title = name.rpartition("/")[2] if key == "data" else f"{name.rpartition('/')[2]}/{key}"
                    found[name if title in found else title] = data.name

    file.visititems(note)
    return found


def read_berkeley(path: Path, wanted: str | None, groups: dict[str, str]) -> Recording:
    """Open a dataset whose axes are described by ``dim1``, ``dim2``... (or ``dim0``...) beside it.

    The names of the axes decide which is y and which x: ncempy writes (y, x), HyperSpy (x, y). Other axes count frames.
    """
    import h5py

    title = list(groups)[choose(path, list(groups), wanted, "dataset")]
    with h5py.File(path, "r") as file:
        data = file[groups[title]]
        shape = data.shape
        first = 0 if "dim0" in data.parent else 1
        dims = [data.parent.get(f"dim{first + at}") for at in range(len(shape))]
        names = ["" if dim is None else _text(dim.attrs.get("name", "")) for dim in dims]
        steps = [_step_nm(dim, size) for dim, size in zip(dims, shape, strict=True)]
    pixels = open_dataset(path, groups[title])
    metadata = {"title": title, "axes": names}
    if len(shape) == 1:
        return Recording(pixels, 1, steps[0], metadata)
    layout = layout_of(names)
    size_nm = pixel_edges_nm(steps[layout.y], steps[layout.x])
    return Recording(Arranged(pixels, layout), 2, size_nm, metadata)


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _step_nm(dim: Any, size: int) -> float | None:
    """Give the step of an axis from its coordinates, all ``(size,)`` of them or the first two."""
    if dim is None or dim.dtype.kind not in "uif" or dim.ndim != 1 or dim.size < 2:
        return None
    last = dim.size - 1 if dim.size == size else 1
    step = (float(dim[last]) - float(dim[0])) / last
    return length_nm(abs(step), _text(dim.attrs.get("units", "")))
