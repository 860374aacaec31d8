"""Createc images (.dat): a header of 16384 bytes of ``name=value`` lines, then the channels. Read with NumPy alone.

The first line is the version: ``[Paramco32]`` is one zlib stream of float32, ``[Paramet32]`` plain float32, and
``[Parameter]`` int16. One unused value comes before the pixels. Nanonis saves spectra with the same ending.
"""

from __future__ import annotations

import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DataFileError
from ..calibration import length_nm, pixel_edges_nm
from ..levelling import LEVELLED, level_rows
from ..recording import Recording, choose

__all__ = ["read"]

HEADER = 16384
#: First line -> dtype of the values, and True if they are compressed.
VERSIONS = {b"[Paramco32]": ("<f4", True), b"[Paramet32]": ("<f4", False), b"[Parameter]": ("<i2", False)}
#: Channels by the bits of ``Channelselectval``, lowest first; a scan both ways has all forward, then all backward.
TOPOGRAPHY, CURRENT = "Z", "Current"


def read(path: Path, wanted: str | None) -> Recording:
    """Read one channel: topography forward unless `wanted` names another by name or number.

    Topography is in DAC units of the piezo and is levelled with `level_rows`; lines that an aborted scan never reached
    (zeros at the end) are cropped.
    """
    raw = path.read_bytes()
    version = next((name for name in VERSIONS if raw.startswith(name)), None)
    if version is None:
        raise DataFileError(
            f"{path} is not a Createc image: expected it to begin with '[Param', got {raw[:12]!r}: "
            "spectra of Nanonis have this ending too and are not read, save them as .npy"
        )
    header = _header(raw[:HEADER].decode("latin-1"))
    cols, rows, channels = (int(header[name]) for name in ("Num.X", "Num.Y", "Channels"))
    kind, compressed = VERSIONS[version]
    dtype = np.dtype(kind)
    wants = (1 + channels * rows * cols) * dtype.itemsize
    body = _unpacked(raw[HEADER:], wants) if compressed else raw[HEADER:]
    if min(cols, rows, channels) < 1 or len(body) < wants:
        raise DataFileError(
            f"{path} is truncated: its header promises {channels} images of {rows} x {cols} px ({wants} bytes), "
            f"got {len(body)}: copy it again"
        )
    images = np.frombuffer(body, dtype, channels * rows * cols, dtype.itemsize).reshape(channels, rows, cols)
    names = _names(channels, int(header.get("Channelselectval", "3")))
    at = choose(path, names, wanted or (TOPOGRAPHY if TOPOGRAPHY in names else None), "channel")
    pixels: NDArray[Any] = images[at]
    metadata: dict[str, Any] = {"channel": names[at]}
    reached = np.flatnonzero((pixels != 0).any(axis=1))
    if reached.size == 0:
        raise DataFileError(f"{path} holds no scanned line in channel {names[at]!r}: choose another channel or file")
    if reached[-1] + 1 < rows:
        metadata["cropped"] = f"scan aborted: {reached[-1] + 1} of {rows} lines"
        pixels = pixels[: reached[-1] + 1]
    if names[at].startswith(TOPOGRAPHY):
        pixels, metadata["levelled"] = level_rows(pixels), LEVELLED
    edges = [length_nm(float(header.get(f"Length {axis}[A]", "0")) / n, "Å") for axis, n in (("y", rows), ("x", cols))]
    return Recording(pixels, 2, pixel_edges_nm(edges[0], edges[1]), metadata)


def _header(text: str) -> dict[str, str]:
    """Give values by name; names come in two languages, as in ``Num.X / Num.X``, and the second one is taken."""
    pairs = re.findall(r"^([^=\r\n]+)=([^\r\n\0]*)", text, flags=re.MULTILINE)
    return {name.rpartition(" / ")[2].strip(): value.strip() for name, value in pairs}


def _unpacked(stream: bytes, wants: int) -> bytes:
    """Decompress the first `wants` bytes of a zlib stream, and take no more memory than these."""
    return zlib.decompressobj().decompress(stream, wants)


def _names(channels: int, selected: int) -> list[str]:
    """Name the channels: topography and current if they were selected, else by number; then those ``:backward``."""
    known = [name for bit, name in enumerate((TOPOGRAPHY, CURRENT)) if selected >> bit & 1]
    ways = 2 if channels == 2 * bin(selected).count("1") else 1
    one_way = [known[at] if at < len(known) else f"channel {at}" for at in range(channels // ways)]
    return one_way if ways == 1 else [*one_way, *(f"{name}:backward" for name in one_way)]
