"""The options of `shiftvae train` that choose a member of the family say what the settings will be."""

from __future__ import annotations

import argparse

import numpy as np
import pytest

from shiftvae_rt.errors import FrameError
from shiftvae_rt.model.manifest import DataSource
from shiftvae_training.commands.family_arguments import add_family, classes_of_frames
from shiftvae_training.fitting.settings import Settings
from shiftvae_training.scans import Scans

NAMES = ("rotation", "scale", "likelihood", "kl_content", "decoder", "classes")


def parsed(*words) -> dict[str, object]:
    parser = argparse.ArgumentParser()
    add_family(parser)
    return vars(parser.parse_args(words))


def test_without_options_the_settings_are_the_defaults():
    assert parsed() == {name: getattr(Settings(), name) for name in NAMES}


@pytest.mark.parametrize(
    ("words", "name", "value"),
    [
        (["--rotation"], "rotation", 1),
        (["--rotation", "3"], "rotation", 3),
        (["--scale"], "scale", True),
        (["--likelihood", "poisson"], "likelihood", "poisson"),
        (["--kl-content", "0.1"], "kl_content", 0.1),
        (["--decoder", "coordinate"], "decoder", "coordinate"),
        (["--classes", "on,off"], "classes", ("on", "off")),
    ],
    ids=str,
)
def test_an_option_sets_what_it_names(words, name, value):
    assert parsed(*words)[name] == value


def test_every_frame_has_the_class_of_its_file():
    sources = tuple(
        DataSource(name="scan", sha256="", frames=frames, shape=(1, 4, 4), dtype="uint8") for frames in (1, 2)
    )
    scans = Scans([np.zeros((1, 4, 4))] * 3, None, sources)
    assert classes_of_frames(("on", "off"), scans) == ("on", "off", "off")
    assert classes_of_frames((), scans) == ()
    with pytest.raises(FrameError, match="expected a class for each of 2 scans, got 1: see --classes"):
        classes_of_frames(("on",), scans)
