"""Pixel sizes in nm, from the units that microscope files use."""

from __future__ import annotations

import math
import re
import warnings
from pathlib import Path

__all__ = ["PixelSizeWarning", "length_nm", "square_pixel_nm"]

#: Symbols are told apart by case ("mm" is no "Mm"), and nothing is added to them: "ms" and "as" are times.
_SYMBOLS = {
    "m": 1e9,
    "mm": 1e6,
    "um": 1e3,
    "µm": 1e3,  # micro sign, U+00B5
    "μm": 1e3,  # Greek mu, U+03BC
    "nm": 1.0,
    "pm": 1e-3,
    "fm": 1e-6,
    "Å": 0.1,  # A with ring, U+00C5
    "\u212b": 0.1,  # angstrom sign
    "A": 0.1,  # along an image axis, where nothing is measured in ampere
    "Ang": 0.1,
}
_WORDS = {
    "meter": 1e9,
    "metre": 1e9,
    "millimeter": 1e6,
    "millimetre": 1e6,
    "micrometer": 1e3,
    "micrometre": 1e3,
    "micron": 1e3,
    "nanometer": 1.0,
    "nanometre": 1.0,
    "angstrom": 0.1,
    "ångström": 0.1,
    "ångstrom": 0.1,
    "picometer": 1e-3,
    "picometre": 1e-3,
}

#: Relative difference of x and y up to which pixels count as square.
SQUARE_WITHIN = 0.01


class PixelSizeWarning(UserWarning):
    """A file's calibration cannot be used; its frames have no pixel size."""


def length_nm(value: float, unit: str) -> float | None:
    r"""Give `value` in nm, or None for a unit that is no length (px, none, 1/nm, eV, ms) or a value that is none.

    >>> length_nm(0.2, "Å")
    0.02
    >>> length_nm(0.5, r"\u00B5m"), length_nm(0.5, "[n_m]")
    (500.0, 0.5)
    >>> length_nm(1.0, "ms") is None
    True
    """
    text = re.sub(r"\\u([0-9a-fA-F]{4})", lambda code: chr(int(code[1], 16)), unit)  # ImageJ's way to write µ
    text = text.strip().removeprefix("[").removesuffix("]").replace("_", "")  # ncempy's: [n_m]
    factor = _SYMBOLS.get(text, _WORDS.get(text.lower().removesuffix("s")))
    if factor is None or not math.isfinite(value) or value <= 0:
        return None
    return round(value * factor, 15)


def square_pixel_nm(y_nm: float | None, x_nm: float | None, path: Path) -> float | None:
    """Give the one edge of square pixels, nm.

    Where y and x differ by more than 1 % there is no such number. Drift-corrected sums and anisotropic scans are like
    that, and their lattice is still a lattice in px: refusing the file would help nobody, choosing one of the two
    numbers would put a wrong scale on the map. So the frame counts as uncalibrated, and `PixelSizeWarning` gives both.
    """
    if y_nm is None or x_nm is None:
        return None
    if abs(y_nm - x_nm) > SQUARE_WITHIN * min(y_nm, x_nm):
        warnings.warn(
            f"{path} has pixels of {y_nm:.6g} nm in y and {x_nm:.6g} nm in x; square ones were expected (within 1 %): "
            "read without a pixel size, resample the file to square pixels to have one",
            PixelSizeWarning,
            stacklevel=2,
        )
        return None
    return math.sqrt(y_nm * x_nm)
