"""A scan of two grains becomes one model: lattices and label in the file, maps of both, and its training goes on."""

from __future__ import annotations

import os

import numpy as np
import pytest
from grain_frames import CELL, grain_frame, turned

from shiftvae_rt import LatentMapper
from shiftvae_rt.commands.inspect import _summary
from shiftvae_training.fit_model import fit

#: The long form waits until the label is learned.
LONG = os.environ.get("SHIFTVAE_LONG") == "1"
STEPS = 300 if LONG else 40


@pytest.fixture(scope="module")
def scan():
    frame, half = grain_frame([turned(CELL, 4.0), turned(CELL, 23.0)], size=168)
    return frame[0], half


@pytest.fixture(scope="module")
def model(scan):
    constraints = {"displacement": 100.0, "smooth": 10.0}
    return fit(scan[0], window=20, latents=1, encoder="mlp", steps=STEPS, constraints=constraints, progress=False)


@pytest.mark.timeout(300)
def test_the_model_names_its_lattices_and_labels_the_windows(scan, model):
    manifest = model.file.manifest
    first, second = manifest.grains
    assert (first.turn_deg, first.vectors) == (0.0, manifest.lattice)
    assert abs(second.turn_deg) == pytest.approx(19.0, abs=0.5)
    assert first.share + second.share == pytest.approx(1, abs=0.02)
    assert np.isfinite([first.strain, second.strain]).all()
    found = LatentMapper(model.file).map(scan[0])
    assert found.names == ("dy", "dx", "grain", "z1")
    at = np.ix_(np.rint(found.centre_y_px).astype(int), np.rint(found.centre_x_px).astype(int))
    right = np.mean(found.grain == scan[1][at])
    assert set(np.unique(found.grain)) <= {-1, 0, 1}
    assert max(right, 1 - right) > (0.75 if LONG else 0.5)  # 0.98 after 1000 steps
    assert found.fields.names[-1] == "grain"


@pytest.mark.timeout(300)
def test_command_and_report_tell_the_misorientation(model):
    turn = model.file.manifest.grains[1].turn_deg
    way = "counter-clockwise" if turn > 0 else "clockwise"
    words = f"turned by {abs(turn):.1f} degrees {way} against grain 0"
    mapper = LatentMapper(model.file)
    lines = dict(_summary(mapper))
    assert words in lines["grain 1"]
    assert words in mapper.map(np.eye(64, dtype=np.uint16)).lattice.grains_in_words()
    report = model.file.report
    assert f"is {words}." in report
    assert f"{turn:.2f}" in report


@pytest.mark.timeout(300)
def test_the_training_goes_on_with_the_lattices_of_the_model(scan, model):
    again = fit(scan[0], start=model, steps=5, progress=False)
    assert [g.vectors for g in again.file.manifest.grains] == [g.vectors for g in model.file.manifest.grains]
