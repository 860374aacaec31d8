"""MRC images and stacks: a header of 1024 bytes, an extended header, and the pixels, memory-mapped.

Format: https://www.ccpem.ac.uk/mrc_format/mrc2014.php. Rows are taken in the order of the file, as RosettaSciIO does.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from ...errors import DataFileError
from ..axes import Arranged, Layout
from ..calibration import length_nm, pixel_edges_nm
from ..recording import Recording, refuse_name

__all__ = ["read"]

HEADER = 1024
#: mode -> dtype; 3 and 4 are complex, 101 is packed.
MODES = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}


def read(path: Path, wanted: str | None) -> Recording:
    """Open the sections of the file as frames, with the axes of the file: columns are x, rows are y."""
    refuse_name(path, wanted)
    with path.open("rb") as file:
        head = file.read(HEADER)
    byte_order = _byte_order(path, head)
    cols, rows, sections, mode = struct.unpack_from(f"{byte_order}4i", head)
    intervals = struct.unpack_from(f"{byte_order}3i", head, 28)
    cell = struct.unpack_from(f"{byte_order}3f", head, 40)
    axes = struct.unpack_from(f"{byte_order}3i", head, 64)
    (extended,) = struct.unpack_from(f"{byte_order}i", head, 92)
    if mode not in MODES:
        raise DataFileError(f"{path} has mode {mode}, expected one of {', '.join(map(str, MODES))}: save real numbers")
    dtype = np.dtype(byte_order + MODES[mode])
    wants = HEADER + extended + cols * rows * sections * dtype.itemsize
    if min(cols, rows, sections, extended + 1) < 1 or path.stat().st_size < wants:
        raise DataFileError(
            f"{path} is truncated or not an MRC file: its header promises {sections} sections of {rows} x {cols} px "
            f"({wants} bytes), got {path.stat().st_size}: copy it again"
        )
    pixels = np.memmap(path, dtype, "r", HEADER + extended, (sections, rows, cols))
    # Columns, rows and sections are usually x, y, z = 1, 2, 3; the cell is given along x, y, z, 0 if not calibrated.
    x, y = (axis - 1 if sorted(axes) == [1, 2, 3] else at for at, axis in enumerate(axes[:2]))
    y_nm, x_nm = (length_nm(cell[at] / intervals[at], "Å") if intervals[at] > 0 else None for at in (y, x))
    size_nm = pixel_edges_nm(y_nm, x_nm)
    single = sections == 1
    return Recording(pixels[0] if single else Arranged(pixels, Layout((0,), None, 1, 2)), 2, size_nm)


def _byte_order(path: Path, head: bytes) -> str:
    """Find the byte order in which the mode and the axes are valid; old files have no machine stamp."""
    if len(head) == HEADER:
        for order in "<>":
            mode, axes = struct.unpack_from(f"{order}i", head, 12)[0], struct.unpack_from(f"{order}3i", head, 64)
            if 0 <= mode <= 127 and (sorted(axes) == [1, 2, 3] or axes == (0, 0, 0)):
                return order
    raise DataFileError(f"{path} is not an MRC file: expected a header of {HEADER} bytes with a mode and axis numbers")
