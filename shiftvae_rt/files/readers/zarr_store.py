"""Zarr: a single array, a group of arrays, an image of OME-NGFF, or a HyperSpy signal (.zspy); a folder or a zip.

A missing chunk is read as the array's fill value: this is how Zarr stores blank parts.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..axes import Arranged, layout_of
from ..calibration import length_nm, pixel_edges_nm
from ..named_axes import Plain, read_plain
from ..recording import Recording
from ..slabs import Slabs
from .hyperspy_signals import pick, signals_of

__all__ = ["read"]


def read(path: Path, wanted: str | None, *, url: str | None = None) -> Recording:
    """Open the only array or signal of the store, or the one that `wanted` names; `url` is that of a remote store."""
    import zarr

    store: Any = url or (str(path) if path.is_dir() else zarr.storage.ZipStore(str(path), mode="r"))
    root: Any = zarr.open(store, mode="r")
    if isinstance(root, zarr.Array):
        return read_plain(path, wanted, {"": _plain(root)})
    if "Experiments" in root:
        return pick(path, wanted, signals_of(root["Experiments"], Slabs))
    about = root.attrs.get("ome", root.attrs)
    if "multiscales" in about and wanted is None:
        return _ngff(root, about["multiscales"][0])
    arrays = {name: array for name, array in _arrays(root).items() if array.dtype.kind in "uifb" and array.shape}
    images = {name: array for name, array in arrays.items() if len(array.shape) >= 2}
    found = arrays if wanted is not None or not images else images
    return read_plain(path, wanted, {name: _plain(array) for name, array in found.items()}, what="array")


def _arrays(group: Any, prefix: str = "") -> dict[str, Any]:
    found = {f"{prefix}{name}": array for name, array in sorted(group.arrays())}
    for name, inner in sorted(group.groups()):
        found |= _arrays(inner, f"{prefix}{name}/")
    return found


def _plain(array: Any) -> Plain:
    """Give an array with the names of its axes: those of Zarr 3, or those that xarray writes beside a Zarr 2 array."""
    metadata = getattr(array, "metadata", None)  # version 2 of the package has none
    names = getattr(metadata, "dimension_names", None) or array.attrs.get("_ARRAY_DIMENSIONS") or ()
    return Plain(Slabs(array), array.dtype, [str(name or "") for name in names])


def _ngff(root: Any, image: Mapping[str, Any]) -> Recording:
    """Open the finest level of an OME-NGFF image, version 0.4 or 0.5; its axes have names, units and a scale."""
    level = image["datasets"][0]
    array = root[level["path"]]
    steps = [1.0] * len(array.shape)
    for transformation in [*level.get("coordinateTransformations", ()), *image.get("coordinateTransformations", ())]:
        if transformation["type"] == "scale":
            steps = [step * float(by) for step, by in zip(steps, transformation["scale"], strict=True)]
    axes = image["axes"]
    layout = layout_of([axis["name"] for axis in axes])
    y_nm, x_nm = (length_nm(steps[at], str(axes[at].get("unit", ""))) for at in (layout.y, layout.x))
    return Recording(Arranged(Slabs(array), layout), 2, pixel_edges_nm(y_nm, x_nm), {"dataset": level["path"]})
