"""Stacks as DigitalMicrograph files (.dm4): just the tags that readers need."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

#: Numbers of the types of tags: int16, int32, uint32, float32.
SHORT, LONG, ULONG, FLOAT, ARRAY = 2, 3, 5, 6, 20
SIGNED_16 = 1


def _tag(name: str, kind: int, content: bytes) -> bytes:
    return struct.pack(">bh", kind, len(name)) + name.encode() + struct.pack(">q", len(content)) + content


def _value(name: str, kind: int, value: float) -> bytes:
    code = {LONG: "<i", ULONG: "<I", FLOAT: "<f"}[kind]
    return _tag(name, 21, b"%%%%" + struct.pack(">qq", 1, kind) + struct.pack(code, value))


def _group(name: str, *tags: bytes) -> bytes:
    return _tag(name, 20, _directory(*tags))


def _directory(*tags: bytes) -> bytes:
    return struct.pack(">bbq", 1, 0, len(tags)) + b"".join(tags)


def begin_dm4(path: Path, shape: tuple[int, int, int]) -> np.memmap:
    """Write a .dm4 for frames of ``shape (frames, height, width)`` int16, and give its pixels to be filled."""
    size = 2 * int(np.prod(shape))
    axes = [_group("", _value("Origin", FLOAT, 0.0), _value("Scale", FLOAT, 1.0), _text("Units")) for _ in shape]
    before = b"%%%%" + struct.pack(">4q", 3, ARRAY, SHORT, size // 2)
    data = struct.pack(">bh", 21, 4) + b"Data" + struct.pack(">q", len(before) + size) + before
    rest = _value("DataType", ULONG, SIGNED_16)
    rest += _group("Dimensions", *(_value("", ULONG, length) for length in reversed(shape)))
    rest += _value("PixelDepth", ULONG, 2)
    calibrations = _group("Calibrations", _group("Dimension", *axes))
    content = struct.pack(">bbq", 1, 0, 5) + calibrations + data
    image_data = struct.pack(">bh", 20, 9) + b"ImageData" + struct.pack(">q", len(content) + size + len(rest)) + content
    image = struct.pack(">bbq", 1, 0, 3) + _group("ImageTags") + _value("UniqueID", ULONG, 1) + image_data
    one = struct.pack(">bh", 20, 0) + struct.pack(">q", len(image) + size + len(rest)) + image
    every = struct.pack(">bbq", 1, 0, 1) + one
    listed = struct.pack(">bh", 20, 9) + b"ImageList" + struct.pack(">q", len(every) + size + len(rest)) + every
    root = struct.pack(">bbq", 1, 0, 1) + listed
    head = struct.pack(">iqi", 4, len(root) + size + len(rest), 1) + root
    with path.open("wb") as file:
        file.write(head)
        file.seek(size, 1)
        file.write(rest + bytes(8))
    return np.memmap(path, "<i2", "r+", len(head), shape)


def _text(name: str) -> bytes:
    return _tag(name, 21, b"%%%%" + struct.pack(">4q", 3, ARRAY, 4, 0))
