"""The table of colours: one name for each kind of values, and 256 colours for each name.

``content`` is cividis (Nuñez, Anderton, Renslow, *PLoS ONE* 13 (2018) e0199239): one order for everybody, with and
without red-green blindness. ``signed`` runs from blue over light grey at zero to orange, ``cyclic`` from light over
blue, dark and orange back to light; both are straight lines in the OKLab space (Ottosson, 2020), where equal distances
look equal.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .array_types import Float64

__all__ = ["NO_VARIATION", "Table", "colour_table", "label_colours"]

#: grey: a frame. content: a latent, whose zero means nothing. signed: a quantity around zero. cyclic: a phase.
Table = Literal["grey", "content", "signed", "cyclic"]

#: Red, green and blue of a latent in which training found no variation.
NO_VARIATION = (96, 96, 96)
_SIZE = 256
#: Every fifth colour of cividis.
_CIVIDIS = """
    00224e 002656 002a5f 002d68 003070 083370 163770 203a6f 273e6e 2e416d 34456c 3a486c 3f4c6c 444f6c 49536c
    4e566c 535a6d 575d6d 5c616e 60646f 656870 696b71 6d6f72 727274 767676 7a7a78 7e7d78 838179 888578 8d8878
    928c78 969077 9b9476 a09875 a59c74 aaa073 afa471 b5a86f baac6d bfb06b c4b468 c9b965 cfbd62 d4c15f dac65b
    dfca57 e5cf52 ead34c f0d846 f6dd3f fce236 fee838
"""
_BLUE, _ORANGE = 4.45, 0.85  # hues in OKLab, rad
#: Lightness, chroma and hue of the corners.
_SIGNED = ((0.36, 0.08, _BLUE), (0.62, 0.11, _BLUE), (0.94, 0.0, 0.0), (0.62, 0.11, _ORANGE), (0.36, 0.08, _ORANGE))
_CYCLIC = ((0.94, 0.0, 0.0), (0.60, 0.11, _BLUE), (0.26, 0.0, 0.0), (0.60, 0.11, _ORANGE), (0.94, 0.0, 0.0))


def colour_table(name: Table) -> NDArray[np.uint8]:
    """Red, green and blue ``(256, 3)`` of the table called `name`, from its low end to its high end."""
    if name == "grey":
        return np.repeat(np.arange(_SIZE, dtype=np.uint8)[:, None], 3, axis=1)
    if name == "content":
        corners = np.frombuffer(bytes.fromhex(_CIVIDIS), np.uint8).reshape(-1, 3)
        at = np.linspace(0, len(corners) - 1, _SIZE)
        columns = [np.interp(at, np.arange(len(corners)), column) for column in corners.T]
        return np.round(np.stack(columns, axis=1)).astype(np.uint8)
    polar = np.array(_SIGNED if name == "signed" else _CYCLIC)
    lab = np.stack([polar[:, 0], polar[:, 1] * np.cos(polar[:, 2]), polar[:, 1] * np.sin(polar[:, 2])], axis=1)
    return np.round(255 * np.clip(_to_srgb(_between(lab)), 0, 1)).astype(np.uint8)


def label_colours(count: int) -> NDArray[np.uint8]:
    """Red, green and blue ``(count, 3)`` of the labels 0, 1, ...: evenly apart in the table ``content``."""
    places = np.round(np.linspace(0, _SIZE - 1, count)).astype(int)
    found: NDArray[np.uint8] = colour_table("content")[places]
    return found


def _between(corners: Float64) -> Float64:
    """Colours ``(256, 3)`` on the straight lines between `corners` ``(n, 3)``, evenly apart along them."""
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(corners, axis=0), axis=1))])
    at = np.linspace(0, along[-1], _SIZE)
    return np.stack([np.interp(at, along, column) for column in corners.T], axis=1)


def _to_srgb(lab: Float64) -> Float64:
    """Colours ``(n, 3)`` of OKLab as sRGB; outside 0 to 1 where a screen cannot show them."""
    to_cones = np.array(
        [[1, 0.3963377774, 0.2158037573], [1, -0.1055613458, -0.0638541728], [1, -0.0894841775, -1.2914855480]]
    )
    to_linear = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.7076147010],
        ]
    )
    linear: Float64 = (lab @ to_cones.T) ** 3 @ to_linear.T
    bright = 1.055 * np.maximum(linear, 0.0031308) ** (1 / 2.4) - 0.055
    return np.where(linear <= 0.0031308, 12.92 * linear, bright)
