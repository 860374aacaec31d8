"""The simulated microscope tells the truth about its frames."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from shiftvae_rt.errors import FrameError
from shiftvae_rt.line_simulator import LineCrystal
from shiftvae_rt.simulator import Crystal, Microscope

STILL = {"drift_px": (0.0, 0.0), "flyback_px": 0.0}
ONLY_A = Crystal(peak_b=0.0, background=0.0, shading=0.0)


def inside(columns, shape, margin) -> np.ndarray:
    return columns[(columns >= margin).all(axis=1) & (columns <= np.array(shape) - 1 - margin).all(axis=1)]


def centroids(image, positions, reach=7) -> np.ndarray:
    """Centres of mass of `image` around `positions`, found by walking there."""
    found = []
    for start in positions:
        y, x = start
        for _ in range(5):
            rows = slice(round(y) - reach, round(y) + reach + 1)
            cols = slice(round(x) - reach, round(x) + reach + 1)
            part = image[rows, cols].astype(float)
            part = np.clip(part - np.percentile(part, 20), 0, None)
            at = np.mgrid[rows, cols]
            y, x = (at * part).sum(axis=(1, 2)) / part.sum()
        found.append((y, x))
    return np.array(found)


def test_columns_are_where_the_image_peaks():
    frame = Microscope(ONLY_A, shape=(200, 260), dose=100, drift_px=(3.0, -2.0), flyback_px=4.0).frame(3)
    columns = inside(frame.columns_px, (200, 260), 10)
    assert len(columns) > 60
    off = centroids(frame.pixels, columns) - columns
    assert np.abs(off).max() < 0.15
    brightest = np.array(
        [frame.pixels[round(y) - 9 : round(y) + 10, round(x) - 9 : round(x) + 10].max() for y, x in columns]
    )
    peak = np.array([frame.pixels[round(y), round(x)] for y, x in columns])
    assert (peak > 0.9 * brightest).all()


def test_every_bright_spot_is_a_column():
    frame = Microscope(ONLY_A, shape=(200, 260), dose=100).frame(0)
    y, x = np.nonzero(frame.pixels > 0.5 * frame.pixels.max())
    away = np.hypot(*(frame.columns_px[:, None] - np.stack([y, x], 1)).transpose(2, 0, 1)).min(axis=0)
    assert away.max() < 5


@pytest.mark.parametrize(
    "vectors", [((24.0, 0.0), (0.0, 24.0)), ((22.0, 9.0), (-8.0, 25.0))], ids=["square", "oblique"]
)
def test_the_displacement_of_the_b_columns_is_the_order_parameter(vectors):
    crystal = Crystal(vectors=vectors, period_growth=0.0, peak_a=0.0, background=0.0, shading=0.0)
    microscope = Microscope(crystal, shape=(240, 240), dose=200, **STILL)
    frame = microscope.frame(0)
    perfect = inside(frame.columns_px + np.sum(vectors, axis=0) / 2, (240, 240), 14)
    found = centroids(frame.pixels, perfect)
    wanted = np.array([frame.displacement_px[round(y), round(x)] for y, x in perfect])
    assert wanted.std() > 0.5
    assert np.abs(found[:, 1] - perfect[:, 1] - wanted).max() < 0.2
    assert np.abs(found[:, 0] - perfect[:, 0]).max() < 0.1


def test_the_wall_separates_two_domains_and_moves_on():
    microscope = Microscope(**STILL)
    one, next_one = (microscope.frame(i).displacement_px for i in (0, 1))
    row = 256
    assert one[row, 50] < -0.9
    assert one[row, -50] > 0.9
    crossing = [int(np.flatnonzero(frame[row] > 0)[0]) for frame in (one, next_one)]
    assert crossing[1] - crossing[0] == 6
    slant = int(np.flatnonzero(one[row - 100] > one[row - 100].mean())[0])
    assert slant < crossing[0]


def test_the_strain_stretches_the_period():
    crystal = Crystal(peak_b=0.0, period_growth=0.04)
    columns = Microscope(crystal, shape=(512, 512), **STILL).frame(0).columns_px
    row = columns[np.argmin(np.abs(columns[:, 0] - 256)), 0]
    x = np.sort(columns[np.abs(columns[:, 0] - row) < 6, 1])
    steps = np.diff(x[(x > 0) & (x < 512)])
    assert steps[0] == pytest.approx(24, abs=0.15)
    assert steps[-1] == pytest.approx(24 * 1.04, abs=0.15)
    assert (np.diff(steps) > 0).all()


def test_the_same_index_gives_the_same_frame_and_another_does_not():
    microscope = Microscope(shape=(64, 64))
    one, again, other = microscope.frame(2), Microscope(shape=(64, 64)).frame(2), microscope.frame(3)
    np.testing.assert_array_equal(one.pixels, again.pixels)
    np.testing.assert_array_equal(one.columns_px, again.columns_px)
    assert (one.pixels != other.pixels).mean() > 0.5
    assert (one.pixels != Microscope(shape=(64, 64), seed=1).frame(2).pixels).mean() > 0.5


def test_frames_come_in_order_for_ever():
    microscope = Microscope(shape=(32, 32))
    for index, frame in enumerate(islice(microscope, 3)):
        assert frame.index == index
        np.testing.assert_array_equal(frame.pixels, microscope.frame(index).pixels)


@pytest.mark.parametrize("dose", [0.2, 1.0, 10.0])
def test_counts_are_poisson(dose):
    """Without columns the expected counts are known everywhere: the variance equals the mean."""
    flat = Crystal(peak_a=0.0, peak_b=0.0, background=50.0, shading=0.0)
    pixels = Microscope(flat, shape=(200, 200), dose=dose).frame(0).pixels
    assert pixels.dtype == np.uint16
    assert pixels.mean() == pytest.approx(50 * dose, rel=0.02)
    assert pixels.var() == pytest.approx(50 * dose, rel=0.05)
    assert abs(np.corrcoef(pixels[:, :-1].ravel(), pixels[:, 1:].ravel())[0, 1]) < 0.03


def test_counts_beyond_the_detector_are_clipped():
    pixels = Microscope(Crystal(background=100.0), shape=(32, 32), dose=1000).frame(0).pixels
    assert pixels.min() == 65535


def test_flyback_bends_the_start_of_the_lines_to_the_right():
    """The beam lags behind: what it meets at the start of a line appears later."""
    still = Microscope(ONLY_A, shape=(128, 128), **STILL).frame(0).columns_px
    bent = (
        Microscope(ONLY_A, shape=(128, 128), drift_px=(0, 0), flyback_px=3.0, flyback_length_px=10.0)
        .frame(0)
        .columns_px
    )
    still, bent = (c[np.lexsort((c[:, 1].round(), c[:, 0].round()))] for c in (still, bent))
    for column in inside(still, (128, 128), 2):
        moved = bent[np.argmin(np.hypot(*(bent - column - (0, 1.5 * np.exp(-column[1] / 10))).T))] - column
        assert abs(moved[0]) < 1e-6
        assert moved[1] == pytest.approx(3 * np.exp(-(column[1] + moved[1]) / 10), abs=0.3)


def test_drift_goes_on_from_frame_to_frame():
    """What the last line of a frame shows lies where the first line of the next would have it."""
    microscope = Microscope(ONLY_A, shape=(100, 100), drift_px=(2.0, 5.0), flyback_px=0.0)
    one, two, three = (microscope.frame(i).columns_px for i in range(3))
    for before, after in ((one, two), (two, three)):
        middle = before[np.argmin(np.hypot(*(before - 50).T))]
        moved = after[np.argmin(np.hypot(*(after - middle - (2, 5)).T))] - middle
        np.testing.assert_allclose(moved, (2, 5), atol=0.6)
    late = one[np.abs(one[:, 0] - 88) < 13]
    early = one[np.abs(one[:, 0] - 12) < 13]
    slope = (np.sort(late[:, 1] % 24)[len(late) // 2] - np.sort(early[:, 1] % 24)[len(early) // 2] + 12) % 24 - 12
    assert slope == pytest.approx(5 * (late[0, 0] - early[0, 0]) / 100, abs=1.0)


def test_the_shift_points_to_the_nearest_column():
    frame = Microscope(shape=(120, 140)).frame(0)
    y, x = np.arange(20.0, 100, 7.5), np.arange(18.0, 120, 9)
    shift = frame.shift_px(y, x)
    assert shift.shape == (2, len(y), len(x))
    for i, j in np.ndindex(shift.shape[1:]):
        away = frame.columns_px - (y[i], x[j])
        nearest = away[np.argmin(np.hypot(*away.T))]
        np.testing.assert_allclose(shift[:, i, j], nearest)


@pytest.mark.parametrize("options", [{"shape": (8, 100)}, {"shape": (100, 15)}, {"dose": 0.0}, {"dose": -1.0}], ids=str)
def test_a_microscope_that_cannot_be_is_refused(options):
    with pytest.raises(FrameError, match="expected frames of at least 16 px and a positive dose"):
        Microscope(**options)


def test_the_peaks_of_a_line_are_where_it_says():
    line = LineCrystal(noise=0.0, asymmetry=0.0).line(0)
    peaks = line.peaks_px[(line.peaks_px > 5) & (line.peaks_px < 4090)]
    assert np.allclose(np.diff(peaks), 24)
    for peak in peaks:
        at = round(peak)
        assert at - 3 + np.argmax(line.samples[at - 3 : at + 4]) == pytest.approx(peak, abs=0.6)


def test_the_widths_and_asymmetries_of_a_line_are_what_it_says():
    crystal = LineCrystal(noise=0.0, period_px=60.0)
    line = crystal.line(0)
    widths, flanks = [], []
    for peak in line.peaks_px[(line.peaks_px > 40) & (line.peaks_px < 4050)]:
        x = np.arange(round(peak) - 28, round(peak) + 29)
        part = line.samples[x].astype(float)
        left, right = (np.sqrt(2 / np.pi) * part[side].sum() for side in (x < peak, x > peak))
        near = round(peak)
        widths.append((left + right) / 2 - line.width_px[near])
        flanks.append((right - left) / (right + left) - line.asymmetry[near])
    assert np.abs(widths).max() < 0.45
    assert np.abs(flanks).max() < 0.15
    assert np.ptp(line.width_px) == pytest.approx(0.7 * crystal.width_px, rel=0.01)
    assert np.abs(line.asymmetry).max() == pytest.approx(0.4, rel=0.01)


def test_the_noise_of_a_line_is_gaussian_of_the_given_width():
    clean, noisy = (LineCrystal(noise=n).line(1).samples for n in (1e-9, 0.05))
    residual = noisy - clean
    assert residual.std() == pytest.approx(0.05, rel=0.05)
    assert abs(residual.mean()) < 0.005
    assert noisy.dtype == np.float32
    assert noisy.shape == (4096,)


def test_lines_repeat_for_an_index_and_differ_between_them():
    crystal = LineCrystal(length=500)
    np.testing.assert_array_equal(crystal.line(4).samples, LineCrystal(length=500).line(4).samples)
    assert np.abs(crystal.line(4).samples - crystal.line(5).samples).max() > 0.3
    assert [line.index for line in islice(crystal, 3)] == [0, 1, 2]
