"""Nanonis scans (.sxm): a text header, the bytes 1A 04, then a big-endian float32 image for each channel and direction.

Read with NumPy alone, so that the computer of an STM needs no further package.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DataFileError
from ..calibration import length_nm, pixel_edges_nm
from ..levelling import LEVELLED, level_rows
from ..recording import Recording, choose

__all__ = ["read"]

_DATA = b":SCANIT_END:"
_MARK = b"\x1a\x04"
#: Default channels of a scan at constant height, the first that varies.
CONSTANT_HEIGHT = ("Current", "Frequency_Shift")


def read(path: Path, wanted: str | None) -> Recording:
    """Read one channel and direction: ``Z`` forward unless `wanted` says ``CHANNEL`` or ``CHANNEL:backward``.

    If `wanted` is None and Z is constant (a scan at constant height), Current or Frequency_Shift is read if it varies;
    `metadata["chosen"]` says so.

    The image is flipped so that y is down and x is to the right whatever the scan direction was. Lines that an aborted
    scan never reached (NaN) are cropped. Topography (the channel Z) is levelled with `level_rows`.
    """
    raw = path.read_bytes()
    end = raw.find(_DATA)
    mark = raw.find(_MARK, end)
    if not raw.startswith(b":NANONIS_VERSION:") or end < 0 or mark < 0:
        raise DataFileError(f"{path} is not a Nanonis scan: expected a header ':NANONIS_VERSION:' to ':SCANIT_END:'")
    header = _header(raw[:end].decode("latin-1"))
    if header["SCANIT_TYPE"].split() != ["FLOAT", "MSBFIRST"]:
        raise DataFileError(f"{path} holds {header['SCANIT_TYPE']!r}, expected 'FLOAT MSBFIRST': export the scan again")
    cols, rows = (int(number) for number in header["SCAN_PIXELS"].split())
    images = _images(header["DATA_INFO"])
    body = memoryview(raw)[mark + len(_MARK) :]
    if len(body) < len(images) * rows * cols * 4:
        raise DataFileError(
            f"{path} is truncated: its header promises {len(images)} images of {rows} x {cols} px "
            f"({len(images) * rows * cols * 4} bytes), got {len(body)} bytes: copy it again"
        )
    names = [name if direction == "forward" else f"{name}:{direction}" for name, _, direction in images]
    named = wanted is not None or "Z" not in names
    pixels_of = (np.frombuffer(body, ">f4", rows * cols, at * rows * cols * 4) for at in range(len(names)))
    flat = [] if named else [name for name, values in zip(names, pixels_of, strict=True) if _constant(values)]
    varying = [name for name in ("Z", *CONSTANT_HEIGHT) if name in names and name not in flat]
    at = choose(path, names, wanted or (varying or ["Z"])[0] if "Z" in names else wanted, "channel")
    _, unit, direction = images[at]
    pixels: NDArray[Any] = np.frombuffer(body, ">f4", rows * cols, at * rows * cols * 4).reshape(rows, cols)
    if direction == "backward":
        pixels = pixels[:, ::-1]  # stored in the order of acquisition, from right to left
    metadata: dict[str, Any] = {"channel": names[at], "unit": unit, "scan_direction": header["SCAN_DIR"].strip()}
    if "Z" in flat and names[at] != "Z":
        metadata["chosen"] = (
            f"Z is constant (a scan at constant height), so {names[at]} is taken, which varies: choose another one "
            "with FILE::CHANNEL"
        )
    reached = np.flatnonzero(~np.isnan(pixels).all(axis=1))
    if reached.size == 0:
        raise DataFileError(f"{path} holds no scanned line in channel {names[at]!r}: choose another channel or file")
    if reached[-1] + 1 < rows:
        metadata["cropped"] = f"scan aborted: {reached[-1] + 1} of {rows} lines"
        pixels = pixels[: reached[-1] + 1]
    if unit == "m" and names[at].partition(":")[0] == "Z":  # the amplitude of an oscillation is in metres too
        pixels = level_rows(pixels)  # in the order of acquisition, as a running scan would be
        metadata["levelled"] = LEVELLED
    if metadata["scan_direction"] == "up":
        pixels = pixels[::-1]
    width_m, height_m = (float(number) for number in header["SCAN_RANGE"].split())
    size_nm = pixel_edges_nm(length_nm(height_m / rows, "m"), length_nm(width_m / cols, "m"))
    return Recording(pixels.astype(np.float32), 2, size_nm, metadata)


def _constant(values: NDArray[Any]) -> bool:
    """Tell whether all scanned pixels are equal; False if none was scanned."""
    scanned = values[~np.isnan(values)]
    return bool(scanned.size and scanned.min() == scanned.max())


def _header(text: str) -> dict[str, str]:
    parts = re.split(r"^:([^:\n][^\n]*):\r?$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], (value.strip() for value in parts[2::2]), strict=True))


def _images(table: str) -> list[tuple[str, str, str]]:
    """List (name, unit, direction) of the images in order. Columns end at tabs, since names may contain blanks."""
    images: list[tuple[str, str, str]] = []
    for line in table.splitlines()[1:]:
        if line.strip():
            _, name, unit, direction = (cell.strip() for cell in line.strip().split("\t")[:4])
            directions = ("forward", "backward") if direction == "both" else (direction,)
            images.extend((name, unit, each) for each in directions)
    return images
