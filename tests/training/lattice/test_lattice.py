"""The lattice finder: true cells, harmonics, superlattices, grains, noise, signals, real scans."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lattice_frames import MOTIFS, WITHOUT_PERIOD, cell, crystal, same_lattice, scanned, without_period

from shiftvae_rt.errors import FrameError
from shiftvae_training.lattice.algebra import EQUAL_LENGTHS, NEARLY_HALF, canonical
from shiftvae_training.lattice.find import Lattice, find_lattice

CELLS = {
    "square": cell(24.2),
    "square, turned": cell(17.3, turn=25),
    "rectangular": cell(13.0, 21.0, turn=4),
    "oblique": cell(19.0, 23.0, angle=76, turn=33),
    "STM movie": cell(6.6, 6.5, angle=101.2, turn=-27),
    "hexagonal": cell(13.0, angle=60, turn=17),
    "three pixels": cell(3.3, angle=80, turn=12),
    "a quarter of the frame": cell(62.0, 60.0, angle=85, turn=12),
}


def frame(vectors, n=256, motif="one", seed=0, **options):
    strain = options.pop("strain", 0.0)
    return scanned(crystal(vectors, (n, n), motif, strain=strain), np.random.default_rng(seed), **options)


def assert_lattice(found, true, tolerance):
    assert found.verdict == "lattice", found.reason
    assert found.confidence > 0.9, found.reason
    assert same_lattice(found.vectors, true, tolerance=tolerance), (found.vectors, true, found.reason)


@pytest.mark.parametrize("vectors", CELLS.values(), ids=CELLS)
def test_a_clean_lattice_is_found_to_three_parts_in_a_thousand(vectors):
    assert_lattice(find_lattice([frame(vectors, counts=1000)]), vectors, 0.003)


@pytest.mark.parametrize("motif", MOTIFS)
@pytest.mark.parametrize("vectors", [cell(22.0, turn=9), cell(21.0, angle=60, turn=9)], ids=["square", "hexagonal"])
def test_the_whole_cell_is_found_and_not_a_harmonic_or_a_sublattice(motif, vectors):
    assert_lattice(find_lattice([frame(vectors, n=384, motif=motif, counts=100)]), vectors, 0.003)


@pytest.mark.parametrize("motif", ["one", "perovskite", "faint B", "honeycomb"])
def test_twenty_counts_are_enough(motif):
    vectors = cell(23.0, angle=60 if motif == "honeycomb" else 90, turn=5)
    assert_lattice(find_lattice([frame(vectors, n=384, motif=motif, counts=20)]), vectors, 0.005)


@pytest.mark.parametrize("strain", [0.02, 0.05])
@pytest.mark.parametrize("n", [256, 1024])
def test_a_period_that_grows_across_the_frame_gives_its_mean(strain, n):
    vectors = cell(19.0, angle=82, turn=14)
    found = find_lattice([frame(vectors, n=n, motif="perovskite", strain=strain)])
    assert_lattice(found, vectors * (1 + strain / 2), 0.006)


def test_flyback_scan_lines_and_shading_do_not_hide_the_lattice():
    vectors = cell(15.0, 18.0, angle=95, turn=2)
    found = find_lattice([frame(vectors, counts=100, shading=0.4, lines=0.1, flyback=4.0)])
    assert_lattice(found, vectors, 0.006)


def test_a_step_and_a_huge_offset_do_not_hide_the_lattice():
    image = crystal(cell(14.0, angle=70, turn=20), (256, 256)) + 20.0 * (np.arange(256) > 140)[:, None] + 1e6
    assert_lattice(
        find_lattice([image[None] + np.random.default_rng(0).normal(size=(1, 256, 256)) * 0.2]),
        cell(14.0, angle=70, turn=20),
        0.005,
    )


@given(
    period=st.floats(7, 40),
    ratio=st.floats(0.8, 1.25),
    angle=st.floats(61, 119),
    turn=st.floats(0, 90),
    motif=st.sampled_from(["one", "perovskite"]),
    seed=st.integers(0, 9),
)
@settings(max_examples=25, deadline=None)
def test_any_cell_is_found(period, ratio, angle, turn, motif, seed):
    vectors = cell(period, period * ratio, angle, turn)
    found = find_lattice([frame(vectors, n=224, motif=motif, seed=seed)])
    assert_lattice(found, vectors, 0.006)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("longer", [7.5, 8.5])
@pytest.mark.parametrize("shorter", [5.6, 6.0, 6.4])
def test_harmonics_that_fold_at_the_nyquist_frequency_do_not_enlarge_an_oblique_cell(shorter, longer, seed):
    vectors = cell(shorter, longer, angle=101)
    assert_lattice(find_lattice([frame(vectors, n=224, motif="perovskite", seed=seed)]), vectors, 0.006)


@pytest.mark.parametrize("kind", WITHOUT_PERIOD)
@pytest.mark.parametrize("n", [64, 256, 400])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_frame_without_a_lattice_has_no_period(kind, n, seed):
    found = find_lattice([without_period(kind, n, np.random.default_rng(seed))])
    assert found.verdict == "no period", found.reason
    assert found.vectors.shape == (0, 2)
    assert found.confidence < 0.1, found.reason


@pytest.mark.parametrize("n", [64, 256])
def test_noise_gives_a_confidence_below_a_twentieth(n):
    rng = np.random.default_rng(3)
    assert max(find_lattice([rng.normal(size=(1, n, n))]).confidence for _ in range(20)) < 0.05


def test_two_incommensurate_lattices_are_two_periods_and_both_are_named():
    shape, first, second = (384, 384), cell(20.0, angle=60, turn=7), cell(17.3, angle=60, turn=21)
    image = crystal(first, shape) + 0.9 * crystal(second, shape)
    found = find_lattice([scanned(image, np.random.default_rng(0))])
    assert found.verdict == "two periods"
    assert any(same_lattice(found.vectors, lattice, tolerance=0.005) for lattice in (first, second))
    assert "20.0" in found.reason
    assert "17.3" in found.reason


def test_two_grains_are_two_periods():
    shape = (384, 384)
    left = np.arange(384) < 200
    image = np.where(left, crystal(cell(20.0, angle=60, turn=3), shape), crystal(cell(20.0, angle=60, turn=22), shape))
    found = find_lattice([scanned(image, np.random.default_rng(0))])
    assert found.verdict == "two periods"
    assert same_lattice(found.vectors, cell(20.0, angle=60, turn=3), tolerance=0.01)


def test_a_superlattice_in_domains_leaves_the_lattice_that_fills_the_frame():
    shape, basic = (400, 400), cell(11.0)
    across = crystal(cell(11.0, 22.0), shape) + 0.7 * crystal(cell(11.0, 22.0), shape, start=(0.3, 1.1))
    along = crystal(cell(22.0, 11.0), shape) + 0.7 * crystal(cell(22.0, 11.0), shape, start=(0.8, 0.6))
    image = np.where(np.arange(400) < 190, across, along)
    found = find_lattice([scanned(image, np.random.default_rng(0))])
    assert found.verdict == "lattice"
    assert same_lattice(found.vectors, basic, tolerance=0.02)
    assert "superlattice" in found.reason
    assert "in parts of the frame" in found.reason


def test_a_superlattice_everywhere_is_the_lattice():
    vectors = cell(11.0, 22.0)
    image = crystal(vectors, (400, 400)) + 0.7 * crystal(vectors, (400, 400), start=(0.3, 1.1))
    assert_lattice(find_lattice([scanned(image, np.random.default_rng(0))]), vectors, 0.005)


def test_lines_in_an_image_give_one_vector_across_them():
    y, x = np.mgrid[:256, :256]
    image = (0.5 + 0.5 * np.cos(2 * np.pi * (0.03 * y + 0.07 * x))) ** 2
    found = find_lattice([scanned(image, np.random.default_rng(0))])
    assert found.verdict == "lattice"
    np.testing.assert_allclose(found.vectors, np.array([[0.03, 0.07]]) / (0.03**2 + 0.07**2), rtol=0.005)
    np.testing.assert_allclose(found.reciprocal, [[0.03, 0.07]], rtol=0.005)


@pytest.mark.parametrize("period", [7.3, 31.0, 200.0])
def test_a_periodic_signal_gives_one_vector_along_x(period):
    x = np.arange(1024.0)
    signal = (
        np.exp(-(((x / period) % 1 - 0.5) ** 2) / 0.02) + 0.05 * np.random.default_rng(0).normal(size=1024) + x / 500
    )
    found = find_lattice([signal[None, None]])
    assert_lattice(found, np.array([[0.0, period]]), 0.005)
    assert found.angle_deg is None


@pytest.mark.parametrize("kind", ["noise", "one peak", "decay", "walk"])
def test_a_signal_without_a_period_has_none(kind):
    rng, x = np.random.default_rng(1), np.linspace(-12, 12, 100)
    signals = [
        {
            "noise": rng.normal(size=100),
            "one peak": np.exp(-((x - mu) ** 2) / 4) + 0.05 * rng.normal(size=100),
            "decay": 1000 / (x + 14) ** 2 + 0.01 * rng.normal(size=100),
            "walk": np.cumsum(rng.normal(size=100)),
        }[kind][None, None]
        for mu in (-2.0, 0.0, 3.0)
    ]
    found = find_lattice(signals)
    assert found.verdict == "no period", found.reason
    assert found.confidence < 0.1


def test_the_authors_isolated_peaks_have_no_period_in_any_number():
    rng, x = np.random.default_rng(1), np.linspace(-12, 12, 100)
    signals = [
        np.exp(-((x - mu) ** 2) / (2 * s**2))[None, None]
        for mu, s in zip(rng.uniform(-3, 3, 50), rng.uniform(0.5, 5, 50), strict=True)
    ]
    assert find_lattice(signals).verdict == "no period"


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "uint32", "int32", "float32", "float64"])
def test_the_dtype_does_not_matter(dtype):
    image = (frame(cell(16.0, turn=30), n=128) % 256).astype(dtype)
    assert same_lattice(find_lattice([image]).vectors, cell(16.0, turn=30), tolerance=0.006)


def test_several_frames_and_channels_count_together_and_a_dead_channel_does_no_harm():
    vectors = cell(9.0, angle=60, turn=11)
    frames = [frame(vectors, n=96, seed=seed, counts=2) for seed in range(6)]
    frames = [np.concatenate([f, np.zeros_like(f)]) for f in frames]
    assert_lattice(find_lattice(frames), vectors, 0.01)


def test_a_frame_that_is_not_square_works():
    vectors = cell(12.0, 15.0, angle=80, turn=8)
    image = scanned(crystal(vectors, (101, 397)), np.random.default_rng(0))
    assert_lattice(find_lattice([image]), vectors, 0.004)


@given(
    a=st.floats(3, 50),
    b=st.floats(3, 50),
    angle=st.floats(20, 160),
    turn=st.floats(0, 360),
    m=st.integers(-3, 3),
    n=st.integers(-3, 3),
)
@settings(max_examples=200, deadline=None)
def test_canonical_vectors_do_not_depend_on_the_basis_they_came_from(a, b, angle, turn, m, n):
    vectors = cell(a, b, angle, turn)
    found = canonical(np.array([[1, m], [0, 1]]) @ np.array([[1, 0], [n, 1]]) @ vectors)
    assert same_lattice(found, vectors, tolerance=1e-9)
    assert np.linalg.det(found) > 0
    assert found[0, 0] >= 0
    leaning = 1 - NEARLY_HALF / EQUAL_LENGTHS**2  # of two vectors nearly as long, and not the shortest
    assert abs(found[0] @ found[1]) <= (leaning + 1e-9) * (found**2).sum(axis=1).min()


@pytest.mark.parametrize("turn", [0, 10, 25, 40, 59])
def test_noise_does_not_turn_a_hexagonal_cell_into_another(turn):
    rng = np.random.default_rng(0)
    vectors = cell(20.0, angle=60, turn=turn)
    cells = [canonical(vectors + 0.05 * rng.normal(size=(2, 2))) for _ in range(20)]
    np.testing.assert_allclose(cells, np.broadcast_to(cells[0], (20, 2, 2)), atol=0.6)


def test_phases_and_displacements_are_inverse_and_a_lattice_vector_is_one_turn():
    lattice = Lattice(cell(19.0, 23.0, angle=76, turn=33), 1.0, "lattice", "")
    np.testing.assert_allclose(lattice.vectors @ lattice.reciprocal.T, np.eye(2), atol=1e-12)
    np.testing.assert_allclose(lattice.to_phases(lattice.vectors[1]), [0, 2 * np.pi], atol=1e-12)
    shifts = np.random.default_rng(0).normal(size=(4, 5, 2))
    np.testing.assert_allclose(lattice.to_displacement(lattice.to_phases(shifts)), shifts, atol=1e-12)


def test_no_frame_and_a_flat_array_are_refused_in_words():
    with pytest.raises(FrameError, match="at least one frame"):
        find_lattice([])
    with pytest.raises(FrameError, match=r"expected frames of shape \(channels, height, width\), got \(64, 64\)"):
        find_lattice([np.zeros((64, 64))])
