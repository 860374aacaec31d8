"""Pixel sizes in nm, from the units that microscope files use."""

from __future__ import annotations

import math
import re

__all__ = ["length_nm", "pixel_edges_nm"]

#: Symbols depend on case ("mm" is not "Mm") and have no plural: "ms" and "as" are times.
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
    "A": 0.1,  # an image axis is never in ampere
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


def length_nm(value: float, unit: str) -> float | None:
    r"""Give `value` in nm; None for a unit that is not a length (px, none, 1/nm, eV, ms) or a value not above 0.

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
    nm = 0.0 if factor is None or not math.isfinite(value) else round(value * factor, 15)
    return nm if 0 < nm < math.inf else None


def pixel_edges_nm(y_nm: float | None, x_nm: float | None) -> tuple[float, float] | None:
    """Give the edges ``(y, x)`` of a pixel in nm; None unless both are known."""
    return None if y_nm is None or x_nm is None else (y_nm, x_nm)
