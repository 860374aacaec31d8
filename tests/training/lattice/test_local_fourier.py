"""Local coefficients are those of the wave that is there, up to the edge of the frame."""

from __future__ import annotations

import numpy as np
import pytest

from shiftvae_training.lattice.local_fourier import local_fourier

G = np.array([[0.07, 0.04]])


def wave(shape, amplitude=1.0, phase=0.0) -> np.ndarray:
    y, x = np.mgrid[: shape[0], : shape[1]]
    return np.sqrt(2) * amplitude * np.cos(2 * np.pi * (G[0, 0] * y + G[0, 1] * x) + phase)


@pytest.mark.parametrize("shape", [(160, 120), (97, 131)])
@pytest.mark.parametrize("phase", [0.0, 1.3, -2.5])
def test_a_plane_wave_has_one_coefficient_everywhere(shape, phase):
    field = local_fourier(wave(shape, phase=phase)[None] + 7, G, 12.0)
    wanted = np.exp(1j * phase) / np.sqrt(2)  # of a wave of unit variance
    inside = field.coefficients[0, 0, 4:-4, 4:-4]
    np.testing.assert_allclose(inside, wanted, atol=0.02)
    np.testing.assert_allclose(np.abs(field.coefficients[0, 0]), np.abs(wanted), rtol=0.3)  # edges included


def test_contrast_is_divided_away_and_another_wave_is_not_seen():
    frame = wave((160, 160))[None]
    one = local_fourier(frame, G, 12.0)
    np.testing.assert_allclose(local_fourier(30 * frame, G, 12.0).coefficients, one.coefficients, atol=1e-6)
    other = local_fourier(frame, np.array([[0.2, -0.1]]), 12.0)
    assert np.abs(other.coefficients[0, 0, 4:-4, 4:-4]).max() < 0.01


def test_a_slow_change_of_phase_is_followed():
    y, x = np.mgrid[:200, :200]
    phase = 1.5 * np.sin(2 * np.pi * x / 400)
    frame = np.cos(2 * np.pi * (G[0, 0] * y + G[0, 1] * x) + phase)
    field = local_fourier(frame[None], G, 8.0)
    rows, cols = field.places.astype(int)
    found = np.angle(field.coefficients[0, 0])
    inner = (slice(5, -5), slice(5, -5))
    np.testing.assert_allclose(found[inner], phase[rows, cols][inner], atol=0.1)
    assert field.step == (4, 4)
    np.testing.assert_array_equal(field.places[:, 1, 2], [4, 8])


def test_a_signal_has_one_row():
    x = np.arange(500)
    signal = np.sqrt(2) * np.cos(2 * np.pi * x / 20 + 0.7)
    field = local_fourier(signal[None, None], np.array([[0.0, 0.05]]), 10.0)
    assert field.coefficients.shape == (1, 1, 1, 100)
    assert field.step == (1, 5)
    np.testing.assert_allclose(field.coefficients[0, 0, 0, 5:-5], np.exp(0.7j) / np.sqrt(2), atol=0.02)


def test_a_flat_channel_gives_finite_numbers():
    frame = np.stack([wave((80, 80)), np.full((80, 80), 3.0)])
    field = local_fourier(frame, G, 12.0)
    assert np.isfinite(field.coefficients).all()
    assert np.abs(field.coefficients[1]).max() < 1e-6
