"""Short trainings, shared by the tests of training and export."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from shiftvae_rt.frame import as_pixels
from shiftvae_rt.line_simulator import LineCrystal, SimulatedLine
from shiftvae_rt.model.manifest import DataSource
from shiftvae_rt.simulator import Crystal, Microscope
from shiftvae_training.export import make_model_file
from shiftvae_training.fitting.settings import Settings
from shiftvae_training.train import Trained, train
from shiftvae_training.trained.trained_model import TrainedModel


def small_microscope() -> Microscope:
    """The simulator's crystal at half its period, 192 px: enough cells to learn from in a few seconds."""
    crystal = Crystal(
        vectors=((12.0, 0.0), (0.0, 12.0)), sigma_a_px=1.5, sigma_b_px=1.4, displacement_px=1.0, wall_width_px=12.0
    )
    return Microscope(crystal, shape=(192, 192), dose=3.0)


SMALL = Settings(window=16, content=2, encoder="mlp", steps=400, constraints={"displacement": 100.0, "smooth": 10.0})


@dataclass(frozen=True)
class Scan:
    """A trained model and the frames it was trained on."""

    microscope: Microscope
    frames: list[NDArray[np.uint16]]
    trained: Trained


@pytest.fixture(scope="session")
def scan() -> Scan:
    """An mlp trained for 400 steps on one frame."""
    microscope = small_microscope()
    frames = [as_pixels(microscope.frame(0).pixels)]  # read-only, as from a file
    return Scan(microscope, frames, train(frames, SMALL))


@pytest.fixture(scope="session")
def line() -> tuple[SimulatedLine, list[NDArray[np.float32]], Trained]:
    """An mlp trained for 350 steps on one line signal."""
    signal = LineCrystal(noise=0.03).line(0)
    frames = [as_pixels(signal.samples, dimensions=1)]
    constraints = {"displacement": 100.0, "smooth": 1.0}
    settings = Settings(window=32, content=2, encoder="mlp", steps=350, constraints=constraints)
    return signal, frames, train(frames, settings)


@pytest.fixture(scope="session")
def model(scan) -> TrainedModel:
    """The model of `scan` as a program has it."""
    source = DataSource(name="simulator", sha256="0" * 64, frames=1, shape=(1, 192, 192), dtype="uint16")
    return TrainedModel(make_model_file(scan.trained, scan.frames, sources=(source,), pixel_size_nm=(0.03, 0.03))[0])
