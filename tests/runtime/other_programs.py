"""Files as other programs write them, byte by byte from their documents, where no package on PyPI writes the format."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_SER_TYPES = {"uint8": 1, "uint16": 2, "uint32": 3, "int8": 4, "int16": 5, "int32": 6, "float32": 7, "float64": 8}


def write_ser(path: Path, frames: NDArray, *, step_m: tuple[float, float] = (2e-11, 2e-11)) -> Path:
    """A TIA series of images ``(n, height, width)``, stored from their last row upwards; steps are (y, x) in metres."""
    count, height, width = frames.shape
    axis = struct.pack("<iddi", count, 0.0, 1.0, 0) + struct.pack("<i6s", 6, b"Number") + struct.pack("<i", 0)
    head = struct.pack("<hhhiiii", 0x4949, 0x0197, 0x0210, 0x4122, 0x4152, count, count)
    offsets_at = len(head) + 8 + len(axis)
    first = offsets_at + 8 * count
    kind = _SER_TYPES[frames.dtype.name]
    elements = [
        struct.pack("<ddiddihii", 0.0, step_m[1], 0, 0.0, step_m[0], 0, kind, width, height)
        + frame[::-1].astype(frame.dtype.newbyteorder("<")).tobytes()
        for frame in frames
    ]
    tag = struct.pack("<hhi", 0x4152, 0, 0)
    places, at = [], first
    for element in elements:
        places.append(at)
        at += len(element)
    tags = [at + len(tag) * number for number in range(count)]
    arrays = struct.pack(f"<{count}i", *places) + struct.pack(f"<{count}i", *tags)
    whole = head + struct.pack("<ii", offsets_at, 1) + axis + arrays + b"".join(elements) + tag * count
    path.write_bytes(whole)
    return path


def write_createc(
    path: Path,
    images: NDArray,
    *,
    version: str = "Paramco32",
    size_a: tuple[float, float] = (40.0, 60.0),
    selected: int = 3,
) -> Path:
    """A Createc image of channels ``(channels, rows, cols)``; the size is (y, x) in angstrom."""
    channels, rows, cols = images.shape
    lines = [
        f"[{version}]",
        "Titel / Titel=a title = with a sign",
        f"Num.X / Num.X={cols}",
        f"Num.Y / Num.Y={rows}",
        f"Channels / Channels={channels}",
        f"Channelselectval / Channelselectval={selected}",
        "Drift_X / Drift_X[\xc5/sec]=0.0",
        f"Length x[A]={size_a[1]}",
        f"Length y[A]={size_a[0]}",
    ]
    head = "\r\n".join(lines).encode("latin-1").ljust(16384, b"\0")
    dtype = "<i2" if version == "Parameter" else "<f4"
    body = np.concatenate([[0], images.ravel(), np.zeros(4 * cols)]).astype(dtype).tobytes()
    path.write_bytes(head + (zlib.compress(body) if version == "Paramco32" else body))
    return path


def write_nanoscope(
    path: Path,
    images: Mapping[str, NDArray],
    *,
    size: str = "500 375 nm",
    directions: Sequence[str] = (),
    further: str = "",
) -> Path:
    """A NanoScope image of channels by name, stored from their lowest line upwards, int16 or int32, after 40960 bytes.

    `further` are lines for every channel; its bytes a pixel are those of the first software, whatever is stored.
    """
    head = ["*File list", "Version: 0x09400202", "*Ciao scan list", "Samps/line: 999", "@Sens. Zsens: V 12.5 nm/V"]
    body, at = b"", 40960
    for number, (name, image) in enumerate(images.items()):
        stored = image[::-1].astype(image.dtype.newbyteorder("<")).tobytes()
        rows, cols = image.shape
        head += [
            "*Ciao image list",
            f"Data offset: {at + len(body)}",
            f"Data length: {len(stored)}",
            "Bytes/pixel: 2",
            f"Samps/line: {cols}",
            f"Number of lines: {rows}",
            f"Scan Size: {size}",
            f"Line Direction: {directions[number] if directions else 'Retrace'}",
            f'@2:Image Data: S [Internal] "{name.partition(":")[0]}"',
            "@2:Z scale: V [Sens. Zsens] (0.000375 V/LSB) 24.576 V",
            *further.splitlines(),
        ]
        body += stored
    lines = [*head, "*File list end"]
    text = "".join(f"\\{line}\r\n" for line in lines).encode("latin-1") + b"\x1a"
    path.write_bytes(text.ljust(at, b"\0") + body)
    return path
