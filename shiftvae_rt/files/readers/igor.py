"""Igor binary waves (.ibw), version 5, as Igor Pro and Asylum's microscopes save them. Read here with NumPy alone.

Format: WaveMetrics, Technical Note 003. In a wave x is the fast axis, and y points up.
"""

from __future__ import annotations

import struct
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DataFileError
from ..calibration import length_nm, pixel_edges_nm
from ..levelling import LEVELLED, level_rows
from ..recording import Recording, choose, refuse_name

__all__ = ["read"]

#: Sizes of the file header and of the wave header, bytes.
FILE_HEADER, WAVE_HEADER = 64, 320
TYPES = {2: "f4", 4: "f8", 8: "i1", 16: "i2", 32: "i4", 128: "i8", 72: "u1", 80: "u2", 96: "u4", 192: "u8"}
#: Names of topography, whose lines are levelled if it is in metres.
TOPOGRAPHY = ("height", "zsensor", "topography")


def read(path: Path, wanted: str | None) -> Recording:
    """Open a wave: of one axis as a signal, of two as an image, of three as an image for each layer.

    Layers with names are channels, and `wanted` names one; without names they are frames. Images are flipped so that y
    is down.
    """
    raw = path.read_bytes()
    order = next((order for order in "<>" if raw[:2] == struct.pack(f"{order}h", 5)), None)
    if order is None or len(raw) < FILE_HEADER + WAVE_HEADER:
        raise DataFileError(f"{path} is not an Igor binary wave: expected it to begin with version 5, got {raw[:2]!r}")
    wave = FILE_HEADER
    (kind,) = struct.unpack_from(f"{order}h", raw, wave + 16)
    shape = [n for n in struct.unpack_from(f"{order}4i", raw, wave + 68) if n > 0]
    steps = struct.unpack_from(f"{order}4d", raw, wave + 84)
    units = [raw[at : at + 4] for at in range(wave + 148, wave + 168, 4)]  # of the data, then of each axis
    unit, *axis_units = (part.partition(b"\0")[0].decode("latin-1") for part in units)
    if kind not in TYPES or not 1 <= len(shape) <= 4:
        raise DataFileError(
            f"{path} holds a wave of type {kind} and shape {shape}, expected real numbers: save an image"
        )
    dtype, start = np.dtype(order + TYPES[kind]), FILE_HEADER + WAVE_HEADER
    wants = prod(shape) * dtype.itemsize
    if len(raw) < start + wants:
        raise DataFileError(
            f"{path} is truncated: a wave of shape {shape} takes {wants} bytes, got {len(raw) - start}: copy it again"
        )
    pixels: NDArray[Any] = np.frombuffer(raw, dtype, prod(shape), start).reshape(shape, order="F")
    nm = [length_nm(abs(step), name) for step, name in zip(steps, axis_units, strict=True)]
    if len(shape) == 1:
        refuse_name(path, wanted)
        return Recording(pixels, 1, nm[0], {"unit": unit})
    images = pixels.T[..., ::-1, :]  # (layers, y, x), y down
    images = images.reshape(-1, *images.shape[-2:]) if len(shape) == 4 else images
    metadata: dict[str, Any] = {"unit": unit}
    names = _layer_names(raw, order, start + wants, shape[2]) if len(shape) == 3 else []
    if names:
        at = choose(path, names, wanted, "channel")
        images, metadata["channel"] = images[at], names[at]
        if unit in ("m", "") and names[at].lower().startswith(TOPOGRAPHY):
            images, metadata["levelled"] = level_rows(images[::-1])[::-1], LEVELLED  # in the order of acquisition
    else:
        refuse_name(path, wanted)
    return Recording(images, 2, pixel_edges_nm(nm[1], nm[0]), metadata)


def _layer_names(raw: bytes, order: str, at: int, layers: int) -> list[str]:
    """Read the labels of the third axis, 32 bytes each, the first for the axis itself; none if a layer has no label."""
    formula, note, data_units = struct.unpack_from(f"{order}3i", raw, 8)
    axis_units = struct.unpack_from(f"{order}4i", raw, 20)
    labels = struct.unpack_from(f"{order}4i", raw, 36)
    at += formula + note + data_units + sum(axis_units) + sum(labels[:2])
    block = raw[at : at + labels[2]]
    names = [block[k : k + 32].partition(b"\0")[0].decode("latin-1") for k in range(32, len(block), 32)]
    return names if len(names) == layers and all(names) and len(set(names)) == layers else []
