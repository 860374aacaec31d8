"""Images are turned by any angle as if they had been recorded so, and their noise shows no trace of it."""

from __future__ import annotations

import numpy as np
import pytest

from shiftvae_training.sampling import TileSampler
from shiftvae_training.turning import margin_of_turns, turn_images, turn_vectors

SIDE = 61
INSIDE = np.s_[:, :, 15:-15, 15:-15]  # the corners are beyond the disc that is right


def columns(angle: float) -> np.ndarray:
    """Two columns around the centre of an image, turned by `angle`."""
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    places = turn_vectors(np.array([[[0.0, 8.0], [-3.0, -2.0]]]), np.array([angle]))[0]
    image = sum(np.exp(-((y - b) ** 2 + (x - a) ** 2) / (2 * 1.9**2)) for b, a in places)
    return np.asarray(image, np.float32)[None, None]


def test_a_turn_is_counter_clockwise_as_displayed():
    np.testing.assert_allclose(turn_vectors(np.array([[0.0, 1.0]]), np.array([np.pi / 2])), [[-1, 0]], atol=1e-12)


@pytest.mark.parametrize("angle", [0.1, 0.78, 0.8, -2.5, 3.1])
def test_an_image_is_turned_as_if_it_had_been_recorded_so(angle):
    turned = turn_images(columns(0.3), np.array([angle]))
    assert np.abs(turned - columns(0.3 + angle))[INSIDE].max() < 3e-4


def test_noise_keeps_its_power_at_every_frequency():
    noise = np.random.default_rng(0).normal(size=(300, 1, 64, 64)).astype(np.float32)
    turned = turn_images(noise, np.full(300, 0.7))[:, 0, 16:-16, 16:-16]
    assert turned.var() == pytest.approx(1, abs=0.015)
    power = (np.abs(np.fft.fft2(turned)) ** 2).mean(0) / turned[0].size
    power.flat[0] = 1  # the mean of an image is kept
    assert power.std() < 1.5 / np.sqrt(300)
    assert np.abs(power - 1).max() < 6 / np.sqrt(300)


def test_turned_tiles_say_where_their_points_come_from():
    """The frame is a ramp: its value at a point is the place of the point."""
    y, x = np.mgrid[:160, :160].astype(np.float32)
    sampler = TileSampler([np.stack([y, x])], (20, 20), seed=0, turned=True)
    tiles = sampler.draw(40)
    assert tiles.turn is not None
    assert 8 < np.count_nonzero(tiles.turn) < 32
    inner = (tiles.origin > 20).all(1) & (tiles.origin < 120).all(1)
    places = np.array([[9.0, 10.0], [4.0, 15.0], [12.0, 2.0]])
    from_frame = tiles.in_frame(places)
    rows, cols = places.astype(int).T
    seen = tiles.pixels[:, :, rows, cols].transpose(0, 2, 1)
    assert np.abs(seen - from_frame)[inner].max() < 1.0  # a ramp of 50 px is not periodic, so it rings a little


def test_turned_tiles_never_touch_the_held_out_regions():
    frame = np.zeros((1, 200, 200))
    sampler = TileSampler([frame], (20, 20), seed=0, turned=True)
    held, margin = sampler.held_out(100), margin_of_turns(20)
    for origin in sampler.draw(300).origin:
        assert (np.abs(held.origin - origin).max(1) >= 20 + margin).all()
