"""The score of the content beside the first guess: it needs no truth, follows the truth, and warns of a collapse."""

from dataclasses import replace

import numpy as np
import pytest

from shiftvae_rt.frame import as_pixels
from shiftvae_rt.simulator import Crystal, Microscope
from shiftvae_training.commands.summary import readable, summarise
from shiftvae_training.finishing.content_score import ContentScore, _from_half, score_content
from shiftvae_training.fitting.settings import Settings
from shiftvae_training.lattice.find import find_lattice
from shiftvae_training.train import train

MICROSCOPE = Microscope(shape=(256, 256))


@pytest.fixture(scope="module")
def pixels():
    return as_pixels(MICROSCOPE.frame(0).pixels)


@pytest.fixture(scope="module")
def trained(pixels):
    return train([pixels], Settings(window=32, content=1, encoder="mlp", steps=400))


def test_a_network_that_learned_the_variation_scores_like_the_guess(trained):
    score = trained.content_score
    assert score is not None
    assert score.guess > 0.9
    assert score.network > score.guess - 0.1


def test_a_collapsed_content_scores_nothing_and_warns(trained, pixels):
    score = score_content(trained.model, pixels, trained.lattice, [5.0, 5.0, 0.0])
    assert score is not None
    assert score.network == 0
    assert score.guess == trained.content_score.guess
    said = summarise(replace(trained, content_score=score))
    assert any("0 % of the slow variation" in words for words in said["warnings"])
    shown = readable(said | {"model": "m", "report": "r", "onnx_against_torch": 0.0, "dense_against_windows": 0.0})
    assert "0.0 % of the slow variation in unseen pixels" in shown


def test_content_of_a_network_that_learned_nothing_scores_near_nothing(pixels):
    barely = train([pixels], Settings(window=32, content=1, encoder="mlp", steps=5))
    score = score_content(barely.model, pixels, barely.lattice, [5.0, 5.0, 5.0])
    assert score is not None
    assert score.network < 0.3
    assert score.warning


def test_identical_motifs_have_no_score(trained):
    still = Microscope(shape=(256, 256), crystal=Crystal(displacement_px=0.0, period_growth=0.0, shading=0.0))
    still = replace(still, drift_px=(0.0, 0.0), flyback_px=0.0)
    frame = as_pixels(still.frame(0).pixels)
    assert score_content(trained.model, frame, find_lattice([frame]), trained.kl_nats) is None


@pytest.mark.parametrize(("network", "warns"), [(0.9, False), (0.885, False), (0.87, True)])
def test_a_warning_needs_more_than_the_error_of_the_score(network, warns):
    assert bool(ContentScore(network, 0.9).warning) == warns


@pytest.mark.parametrize("shape", [(1, 9, 12), (2, 1, 12)], ids=["image", "signal"])
def test_nothing_of_the_unseen_pixels_is_left(shape):
    rng = np.random.default_rng(0)
    frame = rng.normal(size=shape)
    black = np.indices(shape[1:]).sum(axis=0) % 2 == 1
    other = np.where(black, rng.normal(size=shape), frame)
    assert np.array_equal(_from_half(frame), _from_half(other))
    assert np.allclose(_from_half(np.full(shape, 3.0)), 3.0)
