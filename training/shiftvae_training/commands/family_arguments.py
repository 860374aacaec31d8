"""The options of `shiftvae train` that choose a member of the model family."""

from __future__ import annotations

import argparse
from typing import get_args

from shiftvae_rt.errors import FrameError

from ..fitting.settings import Settings, check_setting
from ..model.decoder import DecoderName
from ..model.likelihood import LikelihoodName
from ..scans import Scans
from .arguments import field

__all__ = ["add_family", "classes_of_frames"]


def add_family(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose a member of the model family."""
    default = Settings()
    parser.add_argument(
        "--rotation",
        type=field(check_setting, "rotation", int),
        nargs="?",
        const=1,
        default=default.rotation,
        metavar="FOLD",
        help="features turn, and look the same after 1/FOLD of a turn (default 1); needs --shift planar",
    )
    parser.add_argument("--scale", action="store_true", help="features differ in size; needs --shift planar")
    parser.add_argument(
        "--likelihood",
        type=field(check_setting, "likelihood"),
        metavar="|".join(get_args(LikelihoodName)),
        default=default.likelihood,
        help="noise of the pixels: gaussian with learned sd (default), poisson for counts, bernoulli for data in 0..1",
    )
    parser.add_argument(
        "--kl-content",
        type=field(check_setting, "kl_content", float),
        default=default.kl_content,
        metavar="WEIGHT",
        help="weight of the divergence of the content (default 1; 0.1 lets bernoulli use its content on a lattice)",
    )
    parser.add_argument(
        "--decoder",
        type=field(check_setting, "decoder"),
        metavar="|".join(get_args(DecoderName)),
        default=default.decoder,
        help="template (default), or coordinate: the network of the paper, computed for every pixel and slow",
    )
    parser.add_argument(
        "--classes",
        type=field(check_setting, "classes", lambda text: tuple(text.split(","))),
        default=default.classes,
        metavar="NAME,NAME...",
        help="class of each SCAN, given to the decoder: one model for several kinds of motif",
    )


def classes_of_frames(names: tuple[str, ...], scans: Scans) -> tuple[str, ...]:
    """Class of each frame, from one class per file.

    Raises
    ------
    FrameError
        if the numbers of classes and files differ.
    """
    if names and len(names) != len(scans.sources):
        raise FrameError(f"expected a class for each of {len(scans.sources)} scans, got {len(names)}: see --classes")
    return tuple(name for name, source in zip(names, scans.sources, strict=False) for _ in range(source.frames))
