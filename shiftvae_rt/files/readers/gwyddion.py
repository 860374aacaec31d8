"""Gwyddion files: channels ``/0/data``, ``/1/data``... with their size and units. Read here with NumPy alone.

Format: http://gwyddion.net/documentation/user-guide-en/gwyfile-format.html. Channels are taken as they are: whoever
saved the file in Gwyddion has levelled them as needed.
"""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DataFileError
from ..calibration import length_nm, pixel_edges_nm
from ..recording import Recording, choose

__all__ = ["read"]

MAGIC = b"GWYP"
_SCALARS = {"b": "?", "c": "c", "i": "<i", "q": "<q", "d": "<d"}
_ARRAYS = {"C": "S1", "I": "<i4", "Q": "<i8", "D": "<f8"}


def read(path: Path, wanted: str | None) -> Recording:
    """Open the only channel of the file, or the one that `wanted` names by title."""
    raw = path.read_bytes()
    if not raw.startswith(MAGIC):
        raise DataFileError(f"{path} is not a Gwyddion file: expected it to begin with {MAGIC!r}, got {raw[:4]!r}")
    _, content, _ = _object(raw, len(MAGIC))
    numbers = sorted(int(found[1]) for name in content if (found := re.fullmatch(r"/(\d+)/data", name)))
    titles = [_title(content.get(f"/{number}/data/title", number)) for number in numbers]
    at = choose(path, titles, wanted, "channel")
    field: dict[str, Any] = content[f"/{numbers[at]}/data"][1]
    cols, rows = field["xres"], field["yres"]
    pixels = field["data"].reshape(rows, cols)
    unit = _unit(field, "si_unit_xy")
    y_nm, x_nm = (length_nm(field.get(real, 0.0) / n, unit) for real, n in (("yreal", rows), ("xreal", cols)))
    metadata = {"channel": titles[at], "unit": _unit(field, "si_unit_z")}
    return Recording(pixels, 2, pixel_edges_nm(y_nm, x_nm), metadata)


def _title(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)  # gwyfile saves "Z" as a character


def _unit(field: dict[str, Any], name: str) -> str:
    return str(field[name][1].get("unitstr", "")) if name in field else ""


def _object(raw: bytes, at: int) -> tuple[str, dict[str, Any], int]:
    """Read the object that begins at `at`: its name, components and end."""
    name, at = _text(raw, at)
    (size,) = struct.unpack_from("<I", raw, at)
    at, end = at + 4, at + 4 + size
    if end > len(raw):
        raise ValueError(f"truncated: {name} ends at byte {end} of {len(raw)}")
    components: dict[str, Any] = {}
    while at < end:
        key, at = _text(raw, at)
        components[key], at = _value(chr(raw[at]), raw, at + 1)
    return name, components, end


def _value(kind: str, raw: bytes, at: int) -> tuple[Any, int]:
    """Read a value of type `kind` at `at`, and its end: a lower-case letter is a scalar, a capital an array."""
    if kind == "s":
        return _text(raw, at)
    if kind == "o":
        name, components, at = _object(raw, at)
        return (name, components), at
    if kind in _SCALARS:
        (value,) = struct.unpack_from(_SCALARS[kind], raw, at)
        return value, at + struct.calcsize(_SCALARS[kind])
    (count,) = struct.unpack_from("<I", raw, at)
    at += 4
    if kind in _ARRAYS:
        dtype = np.dtype(_ARRAYS[kind])
        return np.frombuffer(raw, dtype, count, at), at + count * dtype.itemsize
    if kind not in "SO":
        raise ValueError(f"a value of the unknown kind {kind!r} at byte {at}")
    several = []
    for _ in range(count):
        value, at = _value(kind.lower(), raw, at)
        several.append(value)
    return several, at


def _text(raw: bytes, at: int) -> tuple[str, int]:
    """Read text up to a NUL, and give the place after it."""
    end = raw.index(0, at)
    return raw[at:end].decode("utf-8"), end + 1
