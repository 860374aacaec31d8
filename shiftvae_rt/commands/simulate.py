"""Simulate a scanning microscope (for a model of 1D signals, a line detector) that sends to a running service."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..frame import Frame

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `shiftvae simulate`."""
    from .send import add_pace

    parser.add_argument(
        "--frames", type=int, default=100, metavar="N", help="number of frames (default 100); 0: until stopped"
    )
    parser.add_argument("--size", type=int, default=512, metavar="PX", help="edge of a frame (default 512)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of noise and specimen (default 0)")
    add_pace(parser, "simulator")


def run(arguments: argparse.Namespace) -> None:
    """Scan and send: images for a 2D model, lines for a 1D model."""
    from .send import stream_frames

    def frames(dimensions: int) -> Iterator[tuple[int, Frame]]:
        indices = range(arguments.frames) if arguments.frames > 0 else itertools.count()
        scan = _lines if dimensions == 1 else _images
        return scan(arguments, iter(indices))

    stream_frames(arguments, arguments.stream or "simulator", frames)


def _images(arguments: argparse.Namespace, indices: Iterator[int]) -> Iterator[tuple[int, Frame]]:
    from ..frame import Frame
    from ..simulator import Microscope

    microscope = Microscope(shape=(arguments.size, arguments.size), seed=arguments.seed)
    for index in indices:
        scanned = microscope.frame(index)
        yield index, Frame(scanned.pixels, scanned.pixel_size_nm, "simulated microscope")


def _lines(arguments: argparse.Namespace, indices: Iterator[int]) -> Iterator[tuple[int, Frame]]:
    from ..frame import Frame
    from ..line_simulator import LineCrystal

    detector = LineCrystal(seed=arguments.seed)
    for index in indices:
        yield index, Frame(detector.line(index).samples, name="simulated line")
