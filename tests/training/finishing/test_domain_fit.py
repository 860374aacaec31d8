"""The limits in a model file let frames of the same sample pass, and stop others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import Scan
from scipy.ndimage import gaussian_filter

from shiftvae_rt import LatentMapper
from shiftvae_rt.line_simulator import LineCrystal
from shiftvae_training.export import export_model
from shiftvae_training.finishing.domain_fit import fit_domain


@pytest.fixture(scope="module")
def mapper(scan: Scan, tmp_path_factory: pytest.TempPathFactory) -> LatentMapper:
    path = tmp_path_factory.mktemp("m") / "m.svae"
    export_model(path, scan.trained, scan.frames, sources=(), pixel_size_nm=None)
    return LatentMapper(path)


def seen(scan: Scan, **changes):
    """A frame of another start and wall, of a crystal with `changes`."""
    microscope = replace(scan.microscope, seed=5, drift_px=(-0.8, 0.7))
    return replace(microscope, crystal=replace(microscope.crystal, **changes)).frame(7).pixels


def test_fresh_frames_of_the_sample_are_in_domain(scan, mapper):
    for seed in range(6):
        microscope = replace(scan.microscope, seed=seed + 10, dose=3.0 + 0.1 * seed)
        verdict = mapper.map(microscope.frame(3 * seed).pixels).domain
        assert not verdict.out_of_domain, verdict
        assert verdict.windows_out < 0.25


@pytest.mark.parametrize("scale", [0.95, 1.05])
def test_another_magnification_is_told_by_the_period(scan, mapper, scale):
    verdict = mapper.map(seen(scan, vectors=((12 * scale, 0.0), (0.0, 12 * scale)))).domain
    assert verdict.out_of_domain
    assert f"% {'longer' if scale > 1 else 'shorter'}" in verdict.reason


def test_defocus_is_told_by_the_motif(scan, mapper):
    sharp = seen(scan)
    blurred = np.random.default_rng(0).poisson(gaussian_filter(sharp.astype(float), 1.2))
    verdict = mapper.map(blurred.astype(np.uint16)).domain
    assert verdict.out_of_domain
    assert "another motif" in verdict.reason


def test_another_motif_and_an_empty_frame_are_out(scan, mapper):
    empty = np.random.default_rng(0).poisson(30, (192, 192)).astype(np.uint16)
    for frame in (seen(scan, peak_b=0.0), empty):
        verdict = mapper.map(frame).domain
        assert verdict.score > 2
        assert verdict.windows_out > 0.2


def test_one_window_in_a_hundred_of_the_training_data_is_out(scan, mapper):
    assert mapper.map(scan.frames[0]).domain.windows_out == pytest.approx(0.01, abs=0.002)


def test_frames_without_contrast_are_left_out(scan, mapper):
    blank = np.zeros_like(scan.frames[0])
    assert fit_domain(mapper, [blank, scan.frames[0]]) == fit_domain(mapper, scan.frames)
    assert fit_domain(mapper, [blank]) is None


def test_signals_have_a_domain(line, tmp_path: Path):
    _, frames, trained = line
    export_model(tmp_path / "m.svae", trained, frames, sources=(), pixel_size_nm=None)
    mapper = LatentMapper(tmp_path / "m.svae")
    same, stretched = (LineCrystal(noise=0.03, period_px=p, seed=1).line(0).samples for p in (24.0, 25.5))
    assert not mapper.map(same).domain.out_of_domain
    assert "the period along x is" in mapper.map(stretched).domain.reason


@pytest.mark.parametrize(("scale", "offset"), [(0.1, 0.0), (1000.0, 0.0), (1.0, 1e6), (0.25, -3e4)])
def test_a_frame_that_is_only_scaled_or_moved_is_mapped_the_same(scan, mapper, scale, offset):
    frame = scan.frames[0].astype(np.float64)
    plain, other = mapper.map(frame), mapper.map(frame * scale + offset)
    assert not other.domain.out_of_domain
    np.testing.assert_allclose(other.mean, plain.mean, atol=0.02)


@pytest.mark.parametrize("scale", [1 / 255, 1 / 65535, 1e-4, 1e6])
@pytest.mark.parametrize("rows", [192, 24], ids=["whole", "in parts"])
def test_counts_that_became_0_to_1_have_the_map_of_the_counts(scan, mapper, rows, scale):
    plain, frame = mapper.map(scan.frames[0]), scan.frames[0][0] * scale
    begun = mapper.begin_scan(frame.shape, dtype=frame.dtype)
    for top in range(0, len(frame), rows):
        begun.push_rows(frame[top : top + rows])
    other = begun.result()
    assert not other.domain.out_of_domain
    np.testing.assert_allclose(other.mean, plain.mean, atol=1e-3)
    np.testing.assert_allclose(other.std, plain.std, rtol=1e-3)


@pytest.mark.parametrize("rows", [192, 24], ids=["whole", "in parts"])
def test_a_frame_below_all_contrast_is_told_as_that_and_as_nothing_else(scan, mapper, rows):
    frame = scan.frames[0][0] * 1e-7
    begun = mapper.begin_scan(frame.shape, dtype=frame.dtype)
    for top in range(0, len(frame), rows):
        begun.push_rows(frame[top : top + rows])
    verdict = begun.result().domain
    assert verdict.score > 2
    assert verdict.reason.startswith("contrast is 1e-07 of the training data's")
    assert "rescaled" in verdict.reason
    assert "motif" not in verdict.reason
    assert "unlike" not in verdict.reason


def test_vacuum_over_most_of_a_frame_is_no_lack_of_contrast(scan, mapper):
    frame = scan.frames[0].copy()
    frame[:, :, : 192 * 5 // 8] = 40
    assert "contrast" not in mapper.map(frame).domain.reason


def test_an_offset_that_leaves_float32_no_digits_is_told(scan, mapper):
    verdict = mapper.map((scan.frames[0] + 3e9).astype(np.float32)).domain
    assert verdict.out_of_domain
    assert "offset" in verdict.reason
    assert "motif" not in verdict.reason
    assert not mapper.map(scan.frames[0] + 3e9).domain.out_of_domain  # float64 has them
