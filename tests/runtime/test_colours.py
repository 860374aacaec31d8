"""The table of colours: cividis as published, signed and cyclic even to the eye and within what a screen shows."""

from __future__ import annotations

import numpy as np
import pytest

from shiftvae_rt.colours import colour_table


def in_oklab(colours: np.ndarray) -> np.ndarray:
    """Colours ``(n, 3)`` of sRGB, 0 to 255, in OKLab; from the matrices of its author, written anew."""
    share = colours / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    cones = linear @ np.array(
        [
            [0.4122214708, 0.2119034982, 0.0883024619],
            [0.5363325363, 0.6806995451, 0.2817188376],
            [0.0514459929, 0.1073969566, 0.6299787005],
        ]
    )
    return np.cbrt(cones) @ np.array(
        [
            [0.2104542553, 1.9779984951, 0.0259040371],
            [0.7936177850, -2.4285922050, 0.7827717662],
            [-0.0040720468, 0.4505937099, -0.8086757660],
        ]
    )


def test_content_is_cividis():
    mpl = pytest.importorskip("matplotlib")
    published = 255 * mpl.colormaps["cividis"](np.arange(256))[:, :3]
    assert np.abs(colour_table("content") - published).max() <= 5


@pytest.mark.parametrize("name", ["content", "signed", "cyclic"])
def test_equal_distances_look_equal(name):
    lab = in_oklab(colour_table(name).astype(float))
    steps = np.linalg.norm(lab[8:] - lab[:-8], axis=1)
    straight = steps[
        [i for i in range(len(steps)) if name == "content" or not any(i < c <= i + 8 for c in corners(lab))]
    ]
    assert straight.max() < 2.2 * straight.min()


def corners(lab: np.ndarray) -> list[int]:
    """Places at which the way through the colours turns."""
    return [int(lab[:, 0].argmax()), int(lab[:, 0].argmin()), 63, 64, 127, 128, 191, 192]


def test_zero_is_a_light_grey_between_two_arms_of_the_same_lightness():
    lab = in_oklab(colour_table("signed").astype(float))
    assert np.hypot(lab[127:129, 1], lab[127:129, 2]).max() < 0.01
    assert lab[127:129, 0].min() > 0.9
    assert np.abs(lab[:128, 0] - lab[:127:-1, 0]).max() < 0.01


def test_a_phase_comes_back_to_where_it_began():
    table = colour_table("cyclic").astype(int)
    assert np.abs(table[0] - table[-1]).max() <= 3
    assert np.abs(table[64] - table[192]).max() > 80  # a quarter and three quarters are told apart
