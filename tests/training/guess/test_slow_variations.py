"""Signal is what both halves of the pixels agree on; noise is what they do not."""

from __future__ import annotations

import numpy as np
import pytest

from shiftvae_rt.line_simulator import LineCrystal
from shiftvae_rt.simulator import Crystal, Microscope
from shiftvae_training.guess.slow_variations import find_slow_variations
from shiftvae_training.lattice.find import find_lattice

CRYSTAL = Crystal(vectors=((12.0, 0.0), (0.0, 12.0)), sigma_a_px=1.5, sigma_b_px=1.4, displacement_px=1.0)


def variations(*, dose: float = 1.0, crystal: Crystal = CRYSTAL):
    frame = Microscope(crystal, shape=(256, 256), dose=dose).frame(0).pixels[None]
    return find_slow_variations([frame], find_lattice([frame]))


def shares(found) -> np.ndarray:
    first, second = found.scores()
    return np.mean(first * second, axis=1) / found.total


def test_one_order_parameter_is_nearly_all_of_what_varies_slowly_at_any_dose():
    for dose in (0.3, 1.0, 10.0):
        share = shares(variations(dose=dose))
        assert share[0] > 0.85
        assert share[1:].max() < 0.1  # the curve that a displaced column describes


def test_the_first_component_is_the_order_parameter():
    microscope = Microscope(CRYSTAL, shape=(256, 256))
    frame = microscope.frame(0)
    pixels = frame.pixels[None]
    found = find_slow_variations([pixels], find_lattice([pixels]))
    y, x = (s * np.arange(n) for s, n in zip(found.step, found.inside.shape, strict=True))
    truth = frame.displacement_px[np.ix_(y, x)][found.inside]
    assert abs(np.corrcoef(found.halves[0].mean(axis=0)[0][found.inside], truth)[0, 1]) > 0.97


def test_noise_falls_with_the_dose_and_with_the_area_of_the_window():
    low, high = variations(dose=1.0), variations(dose=4.0)
    at = [found.noise(24)[0] / np.mean(np.prod(found.scores()[:, 0], axis=0)) for found in (low, high)]
    assert at[0] / at[1] == pytest.approx(4.0, rel=0.5)
    assert low.noise(24)[0] == pytest.approx(low.noise(48)[0] * 4)


def test_without_variation_the_halves_agree_on_nothing():
    flat = variations(
        crystal=Crystal(**{**vars(CRYSTAL), "displacement_px": 0.0, "period_growth": 0.0, "shading": 0.0})
    )
    varying = variations()
    assert flat.total < 0.1 * varying.total


def test_a_wider_window_blurs():
    found = variations()
    narrow, wide = (np.var(found.under_window(size).scores()[:, 0]) for size in (24, 72))
    assert wide < 0.97 * narrow
    assert found.under_window(12) is found


def test_places_close_by_differ_less():
    found = variations(dose=10.0)
    assert 2 * found.difference(8)[0] < found.difference(64)[0]


def test_a_line_has_width_and_asymmetry():
    line = LineCrystal(noise=0.03).line(0).samples[None, None]
    found = find_slow_variations([line], find_lattice([line]))
    assert shares(found)[:2].min() > 0.2
    assert found.inside.shape[0] == 1
    assert found.noise(32)[0] == pytest.approx(2 * found.noise(64)[0])


def test_channels_of_any_unit_count_the_same():
    frame = Microscope(CRYSTAL, shape=(192, 192)).frame(0).pixels[None].astype(float)
    lattice = find_lattice([frame])
    plain = find_slow_variations([np.concatenate([frame, frame])], lattice)
    scaled = find_slow_variations([np.concatenate([1000 * frame + 5, frame])], lattice)
    np.testing.assert_allclose(shares(plain), shares(scaled), atol=1e-9)


def test_halves_of_noise_do_not_vary_and_those_of_a_faint_order_do():
    faint = Crystal(**{**vars(CRYSTAL), "displacement_px": 0.25, "period_growth": 0.0})
    flat = Crystal(**{**vars(CRYSTAL), "displacement_px": 0.0, "period_growth": 0.0})
    assert variations(dose=1.0, crystal=faint).varies()[0]
    assert not variations(dose=1.0, crystal=flat).varies().any()
