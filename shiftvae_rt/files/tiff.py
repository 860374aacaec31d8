"""TIFF images and stacks, calibrated by ImageJ, OME or FEI. The resolution tag alone is a printer's number."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ..errors import DataFileError
from .calibration import length_nm, square_pixel_nm
from .grey import to_grey
from .recording import Recording, choose

__all__ = ["read"]


class _Pages:
    """The pages of a series, read one at a time; each read opens the file, so that no handle stays open."""

    def __init__(self, path: Path, series: int, shape: tuple[int, ...], page_axes: int) -> None:
        self._path, self._series, self.shape, self._page_axes = path, series, shape, page_axes

    def __getitem__(self, index: Any, /) -> Any:
        import tifffile

        with tifffile.TiffFile(self._path) as file:
            series = file.series[self._series]
            if isinstance(index, int) and len(self.shape) == self._page_axes + 1 and len(series.pages) == self.shape[0]:
                return series.pages[index].asarray()
            return series.asarray().reshape(self.shape)[index]


def read(path: Path, wanted: str | None) -> Recording:
    """Open the one series, or the one whose number is `wanted`."""
    import tifffile

    metadata: dict[str, Any] = {}
    with tifffile.TiffFile(path) as file:
        every = [str(number) for number, series in enumerate(file.series) if series.dtype.kind in "uifb"]
        number = int(every[choose(path, every, wanted, "series")])
        series = file.series[number]
        axes, shape = series.axes, series.shape
        size_nm = _pixel_size_nm(file, path)
        end = max((offset + count for page in series.pages for offset, count in _segments(page)), default=0)
        if end > path.stat().st_size:
            raise DataFileError(
                f"{path} is truncated: its pages reach to byte {end}, it ends at {path.stat().st_size}: copy it again"
            )
        if axes.endswith("S"):  # samples of a pixel: colour; such files are pictures, and small
            pixels, metadata["colour"] = to_grey(series.asarray())
            return Recording(pixels, 2, size_nm, metadata)
    if len(shape) > 2 and axes[-3:] == "CYX":  # channels of a detector, and frames before them
        return Recording(_Pages(path, number, (*(shape[:-3] or (1,)), *shape[-3:]), 3), 2, size_nm, metadata)
    return Recording(_Pages(path, number, shape, 2), 2 if len(shape) > 1 else None, size_nm, metadata)


def _segments(page: Any) -> list[tuple[int, int]]:
    return [] if page is None else list(zip(page.dataoffsets, page.databytecounts, strict=True))


def _pixel_size_nm(file: Any, path: Path) -> float | None:
    if file.is_imagej:
        unit = str((file.imagej_metadata or {}).get("unit", "")).encode().decode("unicode_escape", "ignore")
        tags = file.pages[0].tags
        if "XResolution" not in tags or "YResolution" not in tags:
            return None
        per_unit = [tags[name].value for name in ("YResolution", "XResolution")]
        edges = [length_nm(below / above, unit) if above else None for above, below in per_unit]
        return square_pixel_nm(edges[0], edges[1], path)
    if file.is_ome:
        edges = [_ome_length_nm(file.ome_metadata, axis) for axis in "YX"]
        return square_pixel_nm(edges[0], edges[1], path)
    if file.is_fei:
        scan = (file.fei_metadata or {}).get("Scan", {})
        edges = [length_nm(float(scan.get(name, 0.0)), "m") for name in ("PixelHeight", "PixelWidth")]
        return square_pixel_nm(edges[0], edges[1], path)
    return None


def _ome_length_nm(xml: str, axis: str) -> float | None:
    size = re.search(rf'PhysicalSize{axis}="([^"]+)"', xml)
    unit = re.search(rf'PhysicalSize{axis}Unit="([^"]+)"', xml)
    return length_nm(float(size[1]), unit[1] if unit else "um") if size else None
