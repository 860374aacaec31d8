"""Isolated features: where they are, how they differ, and a planar shift that is trained on them."""

import numpy as np
import pytest

from shiftvae_rt.errors import TrainingError
from shiftvae_training.fitting.settings import Settings
from shiftvae_training.guess.feature_guess import make_feature_guess
from shiftvae_training.sampling import TileSampler
from shiftvae_training.train import train

WINDOW = (24, 24)


def blobs(seed: int = 0, size: int = 224) -> tuple[np.ndarray, np.ndarray]:
    """Blobs on a jittered grid; counts ``(1, size, size)`` and ``(n, 3)``: y, x, width."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    image = np.full((size, size), 20.0)
    truth = []
    for i in range(14, size - 8, 28):
        for j in range(14, size - 8, 28):
            cy, cx, width = i + rng.uniform(-6, 6), j + rng.uniform(-6, 6), rng.uniform(1.8, 3.6)
            image += 100 * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * width**2))
            truth.append((cy, cx, width))
    return rng.poisson(image).astype(np.uint16)[None], np.array(truth)


def test_features_are_found_where_they_are_and_their_size_is_the_first_component():
    frame, truth = blobs()
    guess = make_feature_guess([frame.astype(float)], window=WINDOW, content=1)
    away = np.hypot(*(truth[:, None, :2] - guess.positions[0][None]).transpose(2, 0, 1))
    nearest = away.argmin(0)
    assert away.min(0).max() < 2.0
    assert len(guess.positions[0]) > 0.6 * len(truth)  # those at the edge have no window around them
    assert abs(np.corrcoef(guess.scores[0][:, 0], truth[nearest, 2])[0, 1]) > 0.9


def test_dark_features_are_found_as_bright_ones_are():
    frame, _ = blobs()
    bright = make_feature_guess([frame.astype(float)], window=WINDOW, content=1)
    dark = make_feature_guess([200.0 - frame], window=WINDOW, content=1)
    np.testing.assert_array_equal(bright.positions[0], dark.positions[0])


def test_tiles_lie_where_features_are():
    frame, _ = blobs()
    guess = make_feature_guess([frame.astype(float)], window=WINDOW, content=1)
    sampler = TileSampler([frame], (36, 36), seed=0, places=[guess.tile_places(0, (36, 36))])
    for origin in np.concatenate([sampler.draw(50).origin, sampler.held_out(8).origin]):
        away = np.abs(guess.positions[0] - (origin + 17.5)).max(1)
        assert away.min() <= 0.2 * WINDOW[0] + 1


def test_noise_has_no_features():
    noise = np.random.default_rng(0).poisson(50, size=(1, 200, 200)).astype(float)
    with pytest.raises(TrainingError, match="at least 12 isolated features"):
        make_feature_guess([noise], window=WINDOW, content=1)


@pytest.mark.slow
def test_a_planar_shift_learns_where_features_are():
    frame, truth = blobs()
    settings = Settings(window=WINDOW[0], shift="planar", content=1, steps=400)
    model = train([frame], settings).model
    mean, _ = model.map_frame(frame.astype(np.float32), 4)
    y, x = (np.arange(n) * 4 + (WINDOW[0] - 1) / 2 for n in mean.shape[1:])
    centres = np.stack(np.meshgrid(y, x, indexing="ij"), axis=-1).reshape(-1, 1, 2)
    away = truth[None, :, :2] - centres
    shift = away[np.arange(len(away)), (away**2).sum(-1).argmin(1)]
    near = (np.abs(shift) < 5).all(1)
    error = mean[:2].reshape(2, -1).T - shift
    assert np.median(np.abs(error[near])) < 0.8
    assert np.corrcoef(mean[1].ravel()[near], shift[near, 1])[0, 1] > 0.9


def test_frames_that_are_windows_already_are_trained_on_as_they_are():
    """Single peaks in signals of the window's length: no tiles, no known displacement, and yet shifts in px."""
    rng = np.random.default_rng(0)
    place, width = rng.uniform(-6, 6, 300), rng.uniform(1.5, 4, 300)
    x = np.arange(40) - 19.5
    signals = np.exp(-0.5 * ((x - place[:, None]) / width[:, None]) ** 2) + rng.normal(0, 0.05, (300, 40))
    frames = [signal[None, None] for signal in signals]
    trained = train(frames, Settings(window=40, shift="planar", content=1, encoder="mlp", steps=250))
    found = np.array([trained.model.map_frame(f.astype(np.float32), 4)[0][:, 0, 0] for f in frames])
    assert np.corrcoef(place, found[:, 0])[0, 1] > 0.99
    assert np.polyfit(place, found[:, 0], 1)[0] == pytest.approx(1, abs=0.06)
    assert abs(np.corrcoef(width, found[:, 1])[0, 1]) > 0.95
    assert 0.9 < trained.windows / 270 < 1.1  # a tenth of the frames is held out
