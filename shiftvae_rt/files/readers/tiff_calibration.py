"""Pixel sizes of TIFF files: from ImageJ's description, the image's entry in OME's XML, or FEI's tags."""

from __future__ import annotations

from typing import Any

from ..calibration import length_nm, pixel_edges_nm

__all__ = ["pixel_size_nm"]


def pixel_size_nm(file: Any, number: int) -> tuple[float, float] | None:
    """Give the edges ``(y, x)`` of a pixel of series `number` of an open `tifffile.TiffFile`, nm; None if unknown."""
    if file.is_imagej:
        y_nm, x_nm = _imagej_nm(file)
    elif file.is_ome:
        y_nm, x_nm = _ome_nm(file, number)
    elif file.is_fei:
        scan = (file.fei_metadata or {}).get("Scan", {})
        y_nm, x_nm = (length_nm(float(scan.get(name, 0.0)), "m") for name in ("PixelHeight", "PixelWidth"))
    else:
        return None
    return pixel_edges_nm(y_nm, x_nm)


def _imagej_nm(file: Any) -> tuple[float | None, float | None]:
    about, tags = file.imagej_metadata or {}, file.pages[0].tags
    unit = str(about.get("unit", ""))
    edges = []
    for name, of_axis in (("YResolution", str(about.get("yunit", unit))), ("XResolution", unit)):
        pixels, units = tags[name].value if name in tags else (0, 1)
        edges.append(length_nm(units / pixels, of_axis) if pixels else None)
    return edges[0], edges[1]


def _ome_nm(file: Any, number: int) -> tuple[float | None, float | None]:
    """Give the edges from OME's XML: the series are its images, in order; a length without a unit is in micrometres."""
    import tifffile

    images = tifffile.xml2dict(file.ome_metadata)["OME"].get("Image", [])
    images = images if isinstance(images, list) else [images]
    if len(images) != len(file.series):
        return None, None
    pixels = images[number].get("Pixels", {})
    edges = [
        length_nm(float(pixels[f"PhysicalSize{axis}"]), str(pixels.get(f"PhysicalSize{axis}Unit", "um")))
        if f"PhysicalSize{axis}" in pixels
        else None
        for axis in "YX"
    ]
    return edges[0], edges[1]
