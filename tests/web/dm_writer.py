"""Files of DigitalMicrograph, as small as they can be: one image with its calibration."""

from __future__ import annotations

import struct

import numpy as np

DATA_TYPES = {"int16": 1, "float32": 2, "uint8": 6, "int32": 7, "uint16": 10, "uint32": 11, "float64": 12}
RGB = 23  # a data type of thumbnails
NUMBERS = {"int16": 2, "int32": 3, "uint16": 4, "uint32": 5, "float32": 6, "float64": 7, "uint8": 10}


def dm_file(pixels: np.ndarray, *, version: int, pixel_nm: float, thumbnail: bool = False) -> bytes:
    """A .dm3 or .dm4 with ``pixels (height, width)`` or a stack of them, perhaps behind a coloured thumbnail."""

    def count(number: int) -> bytes:
        return struct.pack(">I" if version == 3 else ">Q", number)

    def tag(kind: int, name: str, content: bytes) -> bytes:
        size = b"" if version == 3 else struct.pack(">Q", len(content))
        return struct.pack(">BH", kind, len(name)) + name.encode() + size + content

    def group(tags: list[bytes]) -> bytes:
        return b"\1\0" + count(len(tags)) + b"".join(tags)

    def data(about: list[int], content: bytes) -> bytes:
        return b"%%%%" + count(len(about)) + b"".join(map(count, about)) + content

    def text(words: str) -> bytes:
        return data([20, 4, len(words)], words.encode("utf-16-le"))

    def image(array: np.ndarray, kind: int, step: float) -> bytes:
        flat = array.astype(array.dtype.newbyteorder("<")).tobytes()
        sizes = [tag(21, "", data([5], struct.pack("<I", n))) for n in array.shape[::-1]]
        axes = [
            tag(
                20,
                "",
                group(
                    [
                        tag(21, "Origin", data([6], struct.pack("<f", 0))),
                        tag(21, "Scale", data([6], struct.pack("<f", step))),
                        tag(21, "Units", text("nm" if at < 2 else "")),
                    ]
                ),
            )
            for at in range(array.ndim)
        ]
        name = array.dtype.name
        content = [
            tag(20, "Calibrations", group([tag(20, "Dimension", group(axes))])),
            tag(21, "Data", data([20, NUMBERS[name], array.size], flat)),
            tag(21, "DataType", data([5], struct.pack("<I", kind))),
            tag(20, "Dimensions", group(sizes)),
            tag(21, "PixelDepth", data([5], struct.pack("<I", array.itemsize))),
        ]
        return tag(20, "", group([tag(20, "ImageData", group(content)), tag(20, "ImageTags", group([]))]))

    rectangle = data([15, 0, 4, 0, 3, 0, 3, 0, 3, 0, 3], bytes(16))  # a struct, which a reader has to step over
    images = [image(np.zeros((8, 8), np.uint32), RGB, 1.0)] if thumbnail else []
    images.append(image(pixels, DATA_TYPES[pixels.dtype.name], pixel_nm))
    root = group(
        [
            tag(21, "ApplicationBounds", rectangle),
            tag(20, "ImageList", group(images)),
        ]
    )
    return struct.pack(">I", version) + count(len(root)) + struct.pack(">I", 1) + root + bytes(8)
