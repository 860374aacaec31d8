"""Latents are given as what columns do, in px and pm: asked of decoders whose columns are known."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from random_models import SIGNAL, random_model, torus

from shiftvae_training.report.meaning import explain

B_PLACE = (5.0, 5.0)


def bell(y, x, cy, cx, width=1.7):
    return np.exp(-0.5 * ((y[:, None] - cy) ** 2 + (x - cx) ** 2) / width**2)


def crystal(content=3):
    """A on a 10 px lattice, B in the middle: z1 moves B by (0.1, 0.4) px a unit, z2 brightens A, z3 is not used."""
    model = random_model(content=content)
    y, x = (place.double().numpy() for place in model.decoder.places())
    cells = [(10 * i, 10 * j) for i in (-2, -1, 0, 1, 2) for j in (-2, -1, 0, 1, 2)]
    step = 1e-3

    def draw(move=0.0, gain=1.0):
        a = sum(gain * bell(y, x, cy, cx) for cy, cx in cells)
        return a + sum(0.5 * bell(y, x, cy + B_PLACE[0] + 0.1 * move, cx + B_PLACE[1] + 0.4 * move) for cy, cx in cells)

    images = [(draw(move=step) - draw()) / step, 0.1 * (draw(gain=2.0) - draw(gain=1.0)), 0 * draw()]
    with torch.no_grad():
        model.decoder.mean.copy_(torch.from_numpy(draw().ravel()))
        model.decoder.linear.copy_(torch.from_numpy(np.stack(images).reshape(3, -1)))
        model.decoder.bend.zero_()
        model.anchor.zero_()
    return model


@pytest.fixture(scope="module")
def content():
    return 0.4 * np.random.default_rng(0).standard_normal((3, 400))


@pytest.fixture(scope="module")
def meaning(content):
    return explain(crystal(), content, (True, True, False), pixel_size_nm=(0.01, 0.01), word="column")


def test_the_columns_of_a_cell_are_named_from_the_anchor(meaning):
    assert len(meaning.columns_px) == 2
    assert meaning.columns_px[0].tolist() == [0, 0]
    np.testing.assert_allclose(np.abs(meaning.columns_px[1]), B_PLACE, atol=0.05)


def test_a_latent_that_moves_a_column_says_how_far(meaning):
    np.testing.assert_allclose(meaning.axes[0].changes.move_px, [[0, 0], [0.1, 0.4]], atol=0.01)
    words = meaning.in_words(meaning.axes[0])
    assert words.startswith(
        "z1, from one end of its range to the other, as the model draws it: column 2 moves right by"
    )
    pm, px = re.search(r"by (\S+) pm \((\S+) px\)", words).groups()
    assert float(px) == pytest.approx(np.hypot(0.1, 0.4) * meaning.axes[0].span, rel=0.05)
    assert float(pm) == pytest.approx(10 * np.hypot(0.1, 0.4) * meaning.axes[0].span, rel=0.03)


def test_a_latent_that_brightens_a_column_says_how_much(meaning):
    np.testing.assert_allclose(meaning.axes[1].changes.move_px, 0, atol=0.02)
    np.testing.assert_allclose(meaning.axes[1].changes.brighten, [0.1, 0], atol=0.01)
    percent = float(re.search(r"column 1 brightens by (\S+) %", meaning.in_words(meaning.axes[1])).group(1))
    assert percent == pytest.approx(10 * meaning.axes[1].span, abs=1)
    assert "column 1 brightens by" in meaning.in_words(meaning.axes[1])
    assert "moves" not in meaning.in_words(meaning.axes[1])


def test_only_latents_that_vary_are_walked(meaning):
    assert [axis.name for axis in meaning.axes] == ["z1", "z2"]
    assert meaning.axes[0].templates.shape[0] == len(meaning.axes[0].values)


def test_no_latent_is_walked_to_where_no_window_is(meaning, content):
    for axis, values in zip(meaning.axes, content[list(meaning.used)], strict=True):
        inside = (values >= axis.values[0]) & (values <= axis.values[-1])
        assert inside.mean() == pytest.approx(0.95, abs=0.01)


def test_content_becomes_displacement(meaning, content):
    moved = meaning.displacement_px(content.reshape(3, 20, 20))
    assert moved.shape == (2, 2, 20, 20)
    np.testing.assert_allclose(moved[0], 0, atol=1e-9)
    wanted = np.array([0.1, 0.4])[:, None, None] * content[0].reshape(20, 20)
    np.testing.assert_allclose(moved[1], wanted, atol=0.03)


def test_without_a_pixel_size_there_are_no_pm(content):
    meaning = explain(crystal(), content, (True, True, False), pixel_size_nm=None)
    assert "pm" not in meaning.in_words(meaning.axes[0])


def test_no_content_means_nothing():
    meaning = explain(random_model(content=0), np.zeros((0, 5)), (), pixel_size_nm=None)
    assert meaning.axes == ()
    assert not meaning.displacement_px(np.zeros((0, 4, 4))).any()


def test_the_peak_of_a_signal_widens():
    model = random_model(window=(1, 24), shift=torus(SIGNAL), content=1)
    _, x = (place.double().numpy() for place in model.decoder.places())
    draw = lambda width: sum(np.exp(-0.5 * ((x - 9 * i) / width) ** 2) for i in range(-3, 4))  # noqa: E731
    with torch.no_grad():
        model.decoder.mean.copy_(torch.from_numpy(draw(1.5)))
        model.decoder.linear.copy_(torch.from_numpy((draw(1.5 * 1.0001) - draw(1.5)) / 1e-3))
        model.decoder.bend.zero_()
        model.anchor.zero_()
    meaning = explain(model, 0.3 * np.random.default_rng(1).standard_normal((1, 200)), (True,), pixel_size_nm=None)
    assert meaning.axes[0].changes.widen[0] == pytest.approx(0.1, abs=0.03)
    assert "peak 1 widens" in meaning.in_words(meaning.axes[0])


def test_what_no_column_explains_is_said_with_how_much_it_is():
    """A ripple of the background: no column moves, and yet the motif changes."""
    model = crystal()
    y, x = (place.double().numpy() for place in model.decoder.places())
    ripple = 0.15 * np.cos(2 * np.pi * y[:, None] / 5) * np.cos(2 * np.pi * x / 2.5)
    with torch.no_grad():
        model.decoder.linear[2] = torch.from_numpy(ripple.ravel())
    content = 0.4 * np.random.default_rng(0).standard_normal((3, 400))
    meaning = explain(model, content, (True, False, True), pixel_size_nm=None)
    moved, rippled = meaning.axes
    assert moved.unexplained < 0.1
    assert "of this change" not in meaning.in_words(moved)
    assert rippled.unexplained > 0.8
    assert rippled.change.size > 0.1
    words = meaning.in_words(rippled)
    assert f"changes by {100 * rippled.change.size:.2g} %" in words
    assert f"{100 * rippled.unexplained:.0f} % of this change is no movement, height or width of a peak" in words
    assert "no column changes" not in words


def test_a_latent_that_changes_nothing_says_how_little(content):
    meaning = explain(crystal(), content, (False, False, True), pixel_size_nm=None)
    assert "changes by 0 % of its contrast" in meaning.in_words(meaning.axes[0])


def test_a_column_that_becomes_longer_is_said_to_and_in_which_direction():
    """Each A becomes longer along (y, x) = (-1, 1), 45 degrees counter-clockwise from right, and narrower across."""
    model = crystal()
    y, x = (place.double().numpy() for place in model.decoder.places())
    longer = 0.0
    for cy, cx in [(10 * i, 10 * j) for i in (-2, -1, 0, 1, 2) for j in (-2, -1, 0, 1, 2)]:
        v, u = (y[:, None] - cy) / 1.7, (x - cx) / 1.7
        longer = longer - 0.3 * bell(y, x, cy, cx) * u * v
    with torch.no_grad():
        model.decoder.linear[2] = torch.from_numpy(np.asarray(longer).ravel())
    content = 0.4 * np.random.default_rng(0).standard_normal((3, 400))
    meaning = explain(model, content, (False, False, True), pixel_size_nm=None)
    (axis,) = meaning.axes
    assert axis.longer == 0
    assert axis.change.longer[2] == pytest.approx(45, abs=2)
    words = meaning.in_words(axis)
    assert re.search(r"peak 1 .*becomes longer at 4[345678] degrees to the scan lines", words)
    assert not axis.much_unexplained
    assert "of this change" not in words
