"""TIA series (.ser) of FEI microscopes: elements of one kind, images or signals, each with its calibration.

Format: C. Boothroyd, "TIA .ser files", as ncempy and RosettaSciIO read it. Rows are stored from the bottom upwards.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DataFileError
from ..calibration import length_nm, pixel_edges_nm
from ..recording import Recording, refuse_name

__all__ = ["read"]

MAGIC = b"II\x97\x01"
IMAGES, SIGNALS = 0x4122, 0x4120
#: First version whose offsets take 8 bytes.
LONG = 0x220
TYPES = {1: "<u1", 2: "<u2", 3: "<u4", 4: "<i1", 5: "<i2", 6: "<i4", 7: "<f4", 8: "<f8"}
#: Largest pixel of an image, m; a larger step is in 1/m, of a diffraction pattern.
LARGEST_PIXEL = 1e-3


class _Elements:
    """Elements of a series in the order of recording; each is read when it is indexed, with y down."""

    def __init__(self, path: Path, places: tuple[int, ...], shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._path, self._places, self._element, self._dtype = path, places, shape, dtype
        self.shape = (len(places), *shape) if len(places) > 1 else shape

    def __getitem__(self, index: Any, /) -> Any:
        at = index if len(self._places) > 1 else 0
        pixels = np.memmap(self._path, self._dtype, "r", self._places[at], self._element)
        image = pixels[::-1] if len(self._element) == 2 else pixels
        return image if len(self._places) > 1 else image[index]


def read(path: Path, wanted: str | None) -> Recording:
    """Open the valid elements of the series as frames or signals."""
    refuse_name(path, wanted)
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(30)
        if not head.startswith(MAGIC) or len(head) < 30:
            raise DataFileError(f"{path} is not a TIA series: expected it to begin with {MAGIC!r}, got {head[:4]!r}")
        version, kind, _, _, valid = struct.unpack_from("<hiiii", head, 4)
        wide = version >= LONG
        (table,) = struct.unpack_from("<q" if wide else "<i", head, 22)
        if kind not in (IMAGES, SIGNALS) or valid < 1:
            raise DataFileError(f"{path} holds {valid} elements of kind {kind:#x}, expected images or signals")
        file.seek(table)
        places = struct.unpack(f"<{valid}{'q' if wide else 'i'}", file.read(valid * (8 if wide else 4)))
        steps = 2 if kind == IMAGES else 1
        elements = []
        for place in places:
            file.seek(place)
            element = file.read(steps * 20 + 2 + steps * 4)
            dtype = np.dtype(TYPES[struct.unpack_from("<h", element, steps * 20)[0]])
            sizes = struct.unpack_from(f"<{steps}i", element, steps * 20 + 2)
            deltas = tuple(struct.unpack_from("<d", element, 8 + 20 * axis)[0] for axis in range(steps))
            elements.append((dtype, sizes[::-1], deltas))
    if len({element[:2] for element in elements}) != 1:
        raise DataFileError(f"{path} holds elements of several sizes or dtypes, expected one: export them separately")
    dtype, shape, deltas = elements[0]
    starts = tuple(place + steps * 24 + 2 for place in places)
    end = max(starts) + int(np.prod(shape)) * dtype.itemsize
    if end > size or min(shape) < 1:
        raise DataFileError(f"{path} is truncated: its elements reach to byte {end}, it ends at {size}: copy it again")
    pixels = _Elements(path, starts, shape, dtype)
    if kind == SIGNALS:
        return Recording(pixels, 1)
    x_nm, y_nm = (length_nm(abs(delta), "m") if abs(delta) < LARGEST_PIXEL else None for delta in deltas)
    return Recording(pixels, 2, pixel_edges_nm(y_nm, x_nm))
