r"""NanoScope images (.spm) of Bruker, Veeco and Digital Instruments. Read here with NumPy alone.

Lines of text, ``\Name: value`` below ``\*Section list``, end at ``\*File list end``. Each ``\*Ciao image list`` is a
channel, and says where its little-endian integers lie. Source: NanoScope 8.10 User Guide, "General Format for CIAO
Parameter Objects". The first stored line of an image is its lowest.
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

BEGIN, END, IMAGE = b"\\*File list", b"\\*File list end", "Ciao image list"
#: Integers by their size: newer software stores 4 bytes a pixel and may still say 2.
INTEGERS = {2: "<i2", 4: "<i4"}
#: Default channels, the first that is there; all are topography, whose lines are levelled.
TOPOGRAPHY = ("Height", "Height Sensor", "ZSensor")


def read(path: Path, wanted: str | None) -> Recording:
    """Read one channel: topography unless `wanted` names another; the retrace of a pair is ``NAME:backward``.

    Pixels are the integers of the converter, as stored; `metadata["scale"]` is the value of one step.
    """
    raw = path.read_bytes()
    if not raw.startswith(BEGIN):
        raise DataFileError(
            rf"{path} is not a NanoScope image: expected it to begin with '\*File list', got {raw[:24]!r}: from a "
            "force curve or an older format, save an image with NanoScope Analysis"
        )
    end = raw.find(END)
    if end < 0:
        raise DataFileError(rf"{path} is truncated: its header does not end with '\*File list end': copy it again")
    images = [section for name, section in _sections(raw[:end].decode("latin-1")) if name == IMAGE]
    names = _names(images)
    default = next((name for name in TOPOGRAPHY if name in names), None)
    at = choose(path, names, wanted if wanted is not None else default, "channel")
    image = images[at]
    lines = _pixels(path, raw, image)
    rows, cols = lines.shape
    metadata: dict[str, Any] = {"channel": names[at], "scale": _value(image, "Z scale")}
    first, valid = (int(image.get(f"Valid data {part} Y", "0")) for part in ("start", "len"))
    pixels: NDArray[Any] = lines
    if 0 < valid < rows:
        metadata["cropped"] = f"scan aborted: {valid} of {rows} lines"
        pixels = lines[first : first + valid]
    if names[at].partition(":")[0] in TOPOGRAPHY:
        pixels, metadata["levelled"] = level_rows(pixels), LEVELLED
    y_nm, x_nm = _edges(image, rows, cols)
    return Recording(pixels[::-1], 2, pixel_edges_nm(y_nm, x_nm), metadata)


def _sections(text: str) -> list[tuple[str, dict[str, str]]]:
    """List the sections of a header in order, each with its values by name, including the group: ``@2:Z scale``."""
    found: list[tuple[str, dict[str, str]]] = []
    for line in text.splitlines():
        if line.startswith("\\*"):
            found.append((line[2:].strip(), {}))
        elif line.startswith("\\") and found:
            group = re.match(r"\\(@\d+:)?([^:]+):(.*)", line)
            if group:
                found[-1][1][(group[1] or "") + group[2].strip()] = group[3].strip()
    return found


def _value(image: dict[str, str], name: str) -> str:
    """Give the value of a parameter in any group; empty if there is none."""
    return next((value for key, value in image.items() if re.fullmatch(rf"(@\d+:)?@?{name}", key)), "")


def _names(images: list[dict[str, str]]) -> list[str]:
    """Name the channels as the program shows them; of two equal names that of the retrace ends in ``:backward``."""
    shown = [re.findall(r'"([^"]*)"', _value(image, "Image Data")) for image in images]
    names = [found[-1] if found else f"channel {at}" for at, found in enumerate(shown)]
    back = [image.get("Line Direction", "").lower() == "retrace" for image in images]
    return [f"{name}:backward" if back[at] and names.count(name) > 1 else name for at, name in enumerate(names)]


def _pixels(path: Path, raw: bytes, image: dict[str, str]) -> NDArray[Any]:
    """Give the stored lines ``(rows, cols)``, the lowest of the image first."""
    rows, cols = int(image["Number of lines"]), int(image["Samps/line"])
    start, length = int(image["Data offset"]), int(image["Data length"])
    size = length // (rows * cols) if min(rows, cols) > 0 else 0
    if size not in INTEGERS or length % (rows * cols):
        raise DataFileError(
            f"{path} gives {length} bytes to an image of {rows} x {cols} px, expected 2 or 4 a pixel: save it again"
        )
    if len(raw) < start + length:
        raise DataFileError(
            f"{path} is truncated: its header promises an image of {rows} x {cols} px ({length} bytes from byte "
            f"{start}), got {len(raw)} bytes: copy it again"
        )
    return np.frombuffer(raw, INTEGERS[size], rows * cols, start).reshape(rows, cols)


def _edges(image: dict[str, str], rows: int, cols: int) -> tuple[float | None, float | None]:
    """Give the edges of a pixel along y and x, nm, from ``Scan Size: WIDTH HEIGHT UNIT``, or from ``EDGE UNIT``."""
    *sizes, unit = (image.get("Scan Size") or image.get("Scan size") or "0 px").split()
    unit = unit.replace("~", "u")  # ~m: µm
    if len(sizes) == 1 and rows != cols:
        return None, None
    return length_nm(float(sizes[-1]) / rows, unit), length_nm(float(sizes[0]) / cols, unit)
