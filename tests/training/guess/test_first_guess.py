"""The first guess finds position and order parameter from the lattice's harmonics alone."""

from __future__ import annotations

import numpy as np
import pytest

from shiftvae_rt.line_simulator import LineCrystal
from shiftvae_rt.simulator import Crystal, Microscope
from shiftvae_training.finishing.evaluate import order_parameter_r2, score_shift
from shiftvae_training.guess.component_signs import component_signs
from shiftvae_training.guess.first_guess import make_first_guess
from shiftvae_training.lattice.find import Lattice, find_lattice

WINDOW = (32, 32)
VECTORS = {
    "square": ((24.0, 0.0), (0.0, 24.0)),
    "oblique": ((22.0, 9.0), (-8.0, 25.0)),
    "turned": ((21.8, 10.1), (-10.1, 21.8)),
}


def microscope(vectors, seed=0) -> Microscope:
    return Microscope(Crystal(vectors=vectors), shape=(384, 384), seed=seed)


def guess_of(frames, window=WINDOW, content=2):
    pixels = [frame.astype(float) for frame in frames]
    lattice = find_lattice(frames)
    return make_first_guess(pixels, lattice, window=window, content=content), lattice


@pytest.fixture(scope="module", params=VECTORS.values(), ids=list(VECTORS))
def case(request):
    """Frame, guess, lattice, and window centres of the inner part, on a grid."""
    frame = microscope(request.param).frame(0)
    guess, lattice = guess_of([frame.pixels[None]])
    y = np.arange(20.0, 364.0, 6.0)
    return frame, guess, lattice, y


def at(guess, y, x, index=0):
    yy, xx = np.meshgrid(y, x, indexing="ij")
    phasor, content = guess.targets[index].at(yy.ravel(), xx.ravel())
    return phasor.reshape(-1, *yy.shape), content.reshape(-1, *yy.shape)


def test_the_phases_are_those_of_the_nearest_column(case):
    frame, guess, lattice, y = case
    phasor, _ = at(guess, y, y)
    np.testing.assert_allclose(np.abs(phasor), 1, atol=1e-9)
    wanted = np.exp(1j * np.moveaxis(lattice.to_phases(np.moveaxis(frame.shift_px(y, y), 0, -1)), -1, 0))
    off = phasor * np.conj(wanted)
    locked = np.abs(off.mean(axis=(1, 2)))
    assert (locked > 0.95).all()  # the phases of some harmonics move with the order parameter
    constant = np.angle(off.mean(axis=(1, 2))) / (2 * np.pi) * lattice.period_px
    assert np.abs(constant).max() < 1.5  # px: the phase follows the strongest column


def test_the_position_is_that_of_the_whole_motif(case):
    frame, guess, lattice, y = case
    yy, xx = np.meshgrid(y, y, indexing="ij")
    shift, _, _ = guess.targets_at(0, yy.ravel(), xx.ravel())
    off = score_shift(shift.T.reshape(2, *yy.shape), frame.shift_px(y, y), lattice.vectors)
    assert max(off.rms_px) < 0.35  # the phases of two harmonics alone move with the B columns: 1.1 px


def test_the_order_parameter_is_among_the_content(case):
    frame, guess, _, y = case
    _, content = at(guess, y, y)
    rows = np.rint(y).astype(int)
    truth = frame.displacement_px[np.ix_(rows, rows)]
    near, linear = order_parameter_r2(content, truth)
    assert near > 0.9
    assert linear > 0.85
    np.testing.assert_allclose(content.std(axis=(1, 2)), 1, atol=0.3)


def test_a_positive_step_of_the_first_latent_moves_the_weaker_columns_right(case):
    frame, guess, _, y = case
    _, content = at(guess, y, y)
    rows = np.rint(y).astype(int)
    truth = frame.displacement_px[np.ix_(rows, rows)]
    assert np.corrcoef(content[0].ravel(), truth.ravel())[0, 1] > 0.9


@pytest.mark.parametrize("vectors", VECTORS.values(), ids=list(VECTORS))
@pytest.mark.parametrize("seed", range(4))
def test_signs_do_not_depend_on_the_scan(vectors, seed):
    frame = Microscope(Crystal(vectors=vectors), shape=(256, 256), seed=seed).frame(seed)
    guess, _ = guess_of([frame.pixels[None]])
    y = np.arange(20.0, 236.0, 8.0)
    rows = np.rint(y).astype(int)
    truth = frame.displacement_px[np.ix_(rows, rows)]
    assert np.corrcoef(at(guess, y, y)[1][0].ravel(), truth.ravel())[0, 1] > 0.9


@pytest.mark.parametrize("seed", range(4))
def test_signs_of_a_line_do_not_depend_on_the_scan(seed):
    line = LineCrystal(noise=0.02, seed=seed).line(seed)
    guess, _ = guess_of([line.samples[None, None]], window=(1, 32))
    x = np.arange(60.0, 4000.0, 5.0)
    _, content = guess.targets[0].at(np.zeros_like(x), x)
    for latent, truth in zip(content, (line.width_px, line.asymmetry), strict=True):
        assert np.corrcoef(latent, truth[x.astype(int)])[0, 1] > 0.9


def test_a_component_that_brightens_the_weaker_column_is_positive():
    vectors = np.array([[20.0, 0.0], [0.0, 20.0]])
    orders = np.array([(i, j) for i in range(-4, 5) for j in range(-4, 5) if (i, j) > (0, 0)])
    harmonics = orders / 20

    def column(place, height):
        return height * np.exp(-20 * np.hypot(*harmonics.T) ** 2 - 2j * np.pi * harmonics @ place)

    mean = (column((3.0, 2.0), 1.0) + column((13.0, 12.0), 0.6))[None]
    changes = {
        "brighter": column((13.0, 12.0), 0.1),
        "right": column((13.0, 12.5), 0.6) - column((13.0, 12.0), 0.6),
        "down": column((13.5, 12.0), 0.6) - column((13.0, 12.0), 0.6),
        "strongest left": column((3.0, 1.5), 1.0) - column((3.0, 2.0), 1.0),
    }
    for name, change in changes.items():
        both = np.stack([change[None], -change[None]])
        np.testing.assert_array_equal(component_signs(both, mean, harmonics, vectors), [1, -1], name)


def test_the_drawn_motif_is_the_mean_window():
    crystal = Crystal(displacement_px=0.0, period_growth=0.0, shading=0.0)
    frame = Microscope(crystal, shape=(256, 256), drift_px=(0, 0), flyback_px=0, dose=20).frame(0)
    guess, _ = guess_of([frame.pixels[None]], content=0)
    u = np.arange(-12.0, 13.0)
    drawn = guess.draw(guess.mean, u, u)[0]
    phasor, _ = guess.targets[0].at(np.array([128.0]), np.array([128.0]))
    shift = np.angle(phasor[:, 0]) / (2 * np.pi) * 24
    y, x = (int(np.rint(128 + s)) for s in shift)
    there = frame.pixels[y - 12 : y + 13, x - 12 : x + 13].astype(float)
    assert np.corrcoef(drawn.ravel(), there.ravel())[0, 1] > 0.99
    assert drawn.std() == pytest.approx(1, abs=0.15)


def test_several_frames_share_one_meaning():
    made = microscope(VECTORS["square"])
    frames = [made.frame(i) for i in (0, 5)]
    guess, _ = guess_of([f.pixels[None] for f in frames])
    y = np.arange(20.0, 364.0, 8.0)
    rows = np.rint(y).astype(int)
    for index, frame in enumerate(frames):
        truth = frame.displacement_px[np.ix_(rows, rows)]
        content = at(guess, y, y, index)[1][0]
        slope = np.polyfit(truth.ravel(), content.ravel(), 1)[0]
        assert slope == pytest.approx(1 / truth.std(), rel=0.25)


def test_two_channels_are_read_together():
    frame = microscope(VECTORS["square"]).frame(0)
    pixels = frame.pixels[None].astype(float)
    both = np.concatenate([300 - pixels, pixels])
    lattice = find_lattice([pixels])
    guess = make_first_guess([both], lattice, window=WINDOW, content=1)
    assert guess.mean.shape == (2, len(guess.harmonics))
    assert guess.components.shape == (1, 2, len(guess.harmonics))
    np.testing.assert_allclose(guess.mean[0], -guess.mean[1], atol=1e-6)


@pytest.fixture(scope="module")
def line_case():
    line = LineCrystal(noise=0.02).line(0)
    pixels = line.samples.astype(float)[None, None]
    lattice = find_lattice([pixels])
    return line, make_first_guess([pixels], lattice, window=(1, 32), content=2), lattice


def test_a_line_gives_its_peaks(line_case):
    line, guess, lattice = line_case
    x = np.arange(60.0, 4000.0, 5.0)
    phasor, _ = guess.targets[0].at(np.zeros_like(x), x)
    shift = np.angle(phasor[0]) / (2 * np.pi) * lattice.period_px[0]
    away = line.peaks_px[:, None] - x
    wanted = away[np.argmin(np.abs(away), axis=0), np.arange(len(x))]
    off = (shift - wanted + 12) % 24 - 12
    assert np.abs(off - off.mean()).max() < 2.5  # asymmetric peaks carry their phase with them
    assert np.abs(off.mean()) < 0.5


def test_a_line_gives_width_and_asymmetry(line_case):
    line, guess, _ = line_case
    x = np.arange(60.0, 4000.0, 5.0)
    _, content = guess.targets[0].at(np.zeros_like(x), x)
    design = np.concatenate([content, content**2, np.ones((1, len(x)))]).T
    for truth, least in ((line.width_px, 0.9), (line.asymmetry, 0.85)):
        wanted = truth[x.astype(int)]
        fitted = design @ np.linalg.lstsq(design, wanted, rcond=None)[0]
        assert 1 - np.var(fitted - wanted) / np.var(wanted) > least


@pytest.mark.parametrize("content", [0, 1, 5])
def test_as_many_latents_as_are_wanted(content):
    frame = microscope(VECTORS["square"]).frame(0).pixels[None, :128, :128]
    guess, _ = guess_of([frame], content=content)
    assert guess.targets[0].content.shape[0] == content
    assert guess.components.shape[0] == content
    assert len(guess.strengths) == content + 8
    assert (np.diff(guess.strengths) <= 0).all()


def test_a_frame_of_lines_has_one_phase():
    y, x = np.mgrid[0:128, 0:160]
    rng = np.random.default_rng(0)
    g = np.array([0.05, 0.06])
    wave = 2 * np.pi * (g[0] * y + g[1] * x)
    frame = (np.cos(wave) + 0.4 * np.cos(2 * wave) + 0.1 * rng.normal(size=y.shape))[None]
    lattice = Lattice(np.linalg.pinv(g[None]).T, 1.0, "lattice", "")
    guess = make_first_guess([frame], lattice, window=(24, 24), content=1)
    at_y, at_x = rng.uniform(20, 100, (2, 50))
    phasor, _ = guess.targets[0].at(at_y, at_x)
    wanted = np.exp(-2j * np.pi * (g[0] * at_y + g[1] * at_x))
    assert np.abs(np.angle(phasor[0] * np.conj(wanted))).max() < 0.1
