"""The first guess of an order follows its strength and its domains, and its satellites are no content."""

from __future__ import annotations

import numpy as np
import pytest

from shiftvae_training.guess.automatic import choose
from shiftvae_training.guess.first_guess import make_first_guess
from shiftvae_training.guess.order_guess import without_satellites
from shiftvae_training.lattice.find import Lattice

SIDE, PERIOD = 256, 12.0
LATTICE = Lattice(np.diag([PERIOD, PERIOD]), 1.0, "lattice", "made up", None, np.array([[0.5, 0.0]]))


def ordered(*, noise: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A frame ``(1, H, W)``; strength and sign of its order: none on the left, an antiphase wall across the right."""
    y, x = np.mgrid[:SIDE, :SIDE]
    strength = 1 / (1 + np.exp(-(x - 100) / 6))
    sign = np.where(y > 130, -1.0, 1.0)
    columns = np.exp(-(((y % PERIOD) - 6) ** 2 + ((x % PERIOD) - 6) ** 2) / 10)
    rate = 20 + 80 * columns * (1 + 0.3 * strength * sign * (-1.0) ** (y // PERIOD))
    return rate[None] + noise * np.random.default_rng(0).normal(size=(1, SIDE, SIDE)) * 5, strength, sign


@pytest.fixture(scope="module")
def guessed():
    frame, strength, sign = ordered()
    y, x = (v.ravel() for v in np.meshgrid(np.arange(20, 236, 4), np.arange(20, 236, 4), indexing="ij"))
    guess = make_first_guess([frame / frame.std()], LATTICE, window=(32, 32), content=1)
    return guess, y, x, strength[y, x], sign[y, x]


def test_the_modulus_is_the_strength_and_the_phase_the_domain(guessed):
    guess, y, x, strength, sign = guessed
    wave = guess.order.targets_at(0, y.astype(float), x.astype(float))[:, 0]
    away = np.abs(y - 130) > 12
    assert np.corrcoef(np.abs(wave)[away], strength[away])[0, 1] ** 2 > 0.9
    slow = wave * np.exp(-2j * np.pi * y / (2 * PERIOD))
    kept = away & (strength > 0.8)
    phase = (slow * sign)[kept]
    assert np.abs(np.mean(phase / np.abs(phase))) > 0.99


def test_drawn_at_the_motif_it_is_what_alternates(guessed):
    guess, *_ = guessed
    y = x = np.arange(-18.0, 19.0)
    real, imaginary = guess.order.images(y, x)[:, 0]
    for image in (real, imaginary):  # from one cell to the next it changes its sign along y, and not along x
        np.testing.assert_allclose(image[12:], -image[:-12], atol=1e-3 + 0.02 * np.abs(image).max())
        np.testing.assert_allclose(image[:, 12:], image[:, :-12], atol=1e-3 + 0.02 * np.abs(image).max())
    assert max(np.abs(real).max(), np.abs(imaginary).max()) > 0.2


def test_order_alone_is_no_variation_of_the_motif():
    frame, *_ = ordered()
    assert "nothing varies above the noise" in "; ".join(choose([frame], LATTICE, reach=12).reasons)


def test_taking_out_satellites_leaves_the_lattice():
    frame, *_ = ordered(noise=0.0)
    spectrum, left = (
        np.abs(np.fft.fft2(each[0]))[:, : SIDE // 2] for each in (frame, without_satellites(frame, LATTICE))
    )
    bins = [round(SIDE / PERIOD), round(SIDE / (2 * PERIOD))]
    for row, kept in zip(bins, (0.98, 0.0), strict=True):
        near = np.s_[row - 1 : row + 2, :2]
        assert left[near].max() == pytest.approx(kept * spectrum[near].max(), abs=0.06 * spectrum[near].max())
