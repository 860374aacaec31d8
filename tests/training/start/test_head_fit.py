"""An encoder that measures waves knows shift and content before the first step, on scans that it has not seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from shiftvae_rt.errors import TrainingError
from shiftvae_rt.frame import as_pixels
from shiftvae_rt.simulator import Crystal, Microscope
from shiftvae_training.finishing.evaluate import order_parameter_r2, score_shift
from shiftvae_training.fitting.settings import Settings
from shiftvae_training.model.encoder_families import ENCODERS
from shiftvae_training.train import train

SHAPE, STRIDE = (256, 256), 4
#: One step, by which nothing is learned.
BEGUN = Settings(steps=1)


def scores(microscope, settings=BEGUN):
    """R2 of the displacement, and largest rms error of the shift in px, on the scan after the one that is seen."""
    trained = train([as_pixels(microscope.frame(0).pixels)], settings)
    there = microscope.frame(1)
    mean = trained.model.map_frame(as_pixels(there.pixels).astype(np.float32), STRIDE)[0].astype(float)
    y, x = ((n - 1) / 2 + STRIDE * np.arange(k) for n, k in zip(trained.model.window, mean.shape[1:], strict=True))
    truth = there.displacement_px[np.ix_(np.rint(y).astype(int), np.rint(x).astype(int))]
    shift = score_shift(mean[:2], there.shift_px(y, x), trained.lattice.vectors)
    return order_parameter_r2(mean[2:], truth)[0], max(shift.rms_px)


def test_content_and_shift_are_there_before_the_first_step():
    r2, off = scores(Microscope(shape=SHAPE))
    assert r2 > 0.93
    assert off < 0.2


def test_faint_content_is_there_too():
    crystal = Crystal(peak_b=Crystal.peak_a / 4, displacement_px=1.0)
    assert scores(Microscope(shape=(384, 384), crystal=crystal, dose=0.6))[0] > 0.75


def test_an_encoder_of_its_own_that_does_not_measure_waves_starts_at_random(monkeypatch):
    monkeypatch.setitem(ENCODERS, "random", replace(ENCODERS["convolutional"], name="random", measures_waves=False))
    assert scores(Microscope(shape=SHAPE), replace(BEGUN, encoder="random"))[0] < 0.5


def test_a_head_that_cannot_take_the_guess_is_named(monkeypatch):
    monkeypatch.setitem(ENCODERS, "flat", replace(ENCODERS["convolutional"], name="flat", head=()))
    with pytest.raises(TrainingError, match=r"one hidden layer of at least 5 units in its head, got \[\]"):
        scores(Microscope(shape=SHAPE), replace(BEGUN, encoder="flat"))
