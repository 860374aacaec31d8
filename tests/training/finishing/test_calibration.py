"""Posterior deviations cover after calibration, whatever they claimed before."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from conftest import Scan
from random_models import SIGNAL, counts, random_model, torus

from shiftvae_rt.encode.modulo import modulo_lattice
from shiftvae_training.finishing import calibration
from shiftvae_training.finishing.calibration import calibrate, scale_deviations
from shiftvae_training.model.shift import PlanarShift


def windows_of(scan: Scan) -> torch.Tensor:
    frame = torch.from_numpy(scan.frames[0].astype(np.float32))[None] * scan.trained.model.channel_scale[0]
    cut, _ = scan.trained.model.windows(frame, 7)
    return cut.flatten(0, 2)


@pytest.mark.parametrize("factor", [0.25, 1.0, 3.0])
def test_deviations_of_any_size_come_to_cover(scan, factor):
    model = copy.deepcopy(scan.trained.model)
    with torch.no_grad():
        scale_deviations(model, [0, 1], factor)
        scale_deviations(model, [2], factor)
    found = calibrate(model, windows_of(scan), (True, False), seed=1)
    assert [c.latent for c in found] == ["shift", "z1"]
    for coverage in found:
        assert coverage.temperature * factor == pytest.approx(1.0, rel=0.25)  # training has calibrated it once
        assert coverage.after == pytest.approx((0.683, 0.954), abs=0.09)
        if factor != 1:
            assert abs(coverage.before[0] - 0.683) > 0.15


def test_a_trained_model_was_calibrated(scan):
    assert scan.trained.coverage[0].latent == "shift"
    for coverage in scan.trained.coverage:
        assert coverage.after == pytest.approx((0.683, 0.954), abs=0.1)


def test_the_deviations_of_the_shift_are_near_its_errors(scan):
    frame = scan.microscope.frame(1)
    centred = frame.pixels[None].astype(np.float32)
    mean, std = scan.trained.model.map_frame(centred - centred.mean().round(), 4)
    first = (scan.trained.model.window[0] - 1) / 2
    y, x = (first + 4 * np.arange(n) for n in mean.shape[1:])
    error = (mean[:2] - frame.shift_px(y, x)).reshape(2, -1).astype(float)
    error = modulo_lattice(error, scan.trained.lattice.vectors)
    error -= np.median(error, axis=1, keepdims=True)
    within = (np.abs(error) < std[:2].reshape(2, -1)).mean()
    assert 0.4 < within < 0.85


@pytest.mark.parametrize(
    ("options", "columns"),
    [
        ({}, [0, 1]),
        ({}, [3]),
        ({"shift": PlanarShift(2, 3.0)}, [0, 1]),
        ({"window": (1, 16), "shift": torus(SIGNAL)}, [0]),
    ],
    ids=["torus", "content", "plane", "1D"],
)
@torch.no_grad()
def test_scaling_changes_the_deviations_that_it_should_and_nothing_else(options, columns):
    model = random_model(**options)
    model.encoder.linears[-1].weight *= 0.05  # away from the limits of the posterior's width
    model.encoder.linears[-1].bias[:] = -1.0
    frame = counts((1, 1 if model.dimensions == 1 else 40, 40))
    frame -= frame.mean().round()
    mean, std = model.map_frame(frame, 4)
    scale_deviations(model, columns, 1.5)
    new_mean, new_std = model.map_frame(frame, 4)
    np.testing.assert_array_equal(new_mean, mean)
    wanted = std.copy()
    wanted[columns] *= 1.5
    np.testing.assert_allclose(new_std, wanted, rtol=1e-5)


def test_signs_are_drawn_for_squares_that_begin_anywhere():
    generator = torch.Generator().manual_seed(0)
    starts = set()
    for _ in range(40):
        signs = calibration._signs(torch.Size((50, 1, 32, 20)), 6, generator)
        assert signs.shape == (50, 1, 32, 20)
        assert set(signs.unique().tolist()) == {-1.0, 1.0}
        assert abs(float(signs.mean())) < 0.1
        changes = (signs.diff(dim=3) != 0).flatten(0, 2).any(0).nonzero().flatten()
        assert set((changes - changes[0]).tolist()) <= {0, 6, 12, 18}
        starts.add(int(changes[0]) % 6)
    assert starts == set(range(6))
    assert calibration._signs(torch.Size((3, 2, 1, 16)), 4, generator).shape == (3, 2, 1, 16)
