"""PNG and JPEG. They have no reliable pixel size: dpi is meant for printers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..grey import to_grey
from ..recording import Recording, refuse_name

__all__ = ["read"]


def read(path: Path, wanted: str | None) -> Recording:
    """Read the image as grey values."""
    from PIL import Image

    refuse_name(path, wanted)
    with Image.open(path) as image:
        if image.mode.startswith("RGB") and any("16" in str(tile[3]) for tile in image.tile):
            return _deep_colour(path)  # Pillow keeps 8 of the 16 bits of a sample
        if image.mode in ("P", "CMYK", "YCbCr", "HSV", "LAB", "PA"):
            image = image.convert("RGB")
        pixels = np.asarray(image)
    metadata: dict[str, Any] = {}
    if pixels.ndim == 3:
        pixels, metadata["colour"] = to_grey(pixels)
    return Recording(pixels, dimensions=2, metadata=metadata)


def _deep_colour(path: Path) -> Recording:
    import imagecodecs

    pixels, colour = to_grey(imagecodecs.png_decode(path.read_bytes()))
    return Recording(pixels, dimensions=2, metadata={"colour": colour})
