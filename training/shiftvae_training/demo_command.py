"""`shiftvae demo`: train on one scan, then watch latent maps of the next ones arrive while they are scanned."""

from __future__ import annotations

import argparse
from typing import Any

from shiftvae_rt.commands import add_force

from .encoder_families import ENCODERS

__all__ = ["add"]


def add(subparsers: Any) -> None:
    """Add `shiftvae demo`."""
    parser = subparsers.add_parser("demo", help="all of it, on a simulated microscope or a file", description=__doc__)
    parser.add_argument("-o", "--output", required=True, metavar="DIR", help="folder for model, picture and summary")
    parser.add_argument("--input", metavar="FILE", help="a scan or movie of your own (default: simulated microscope)")
    parser.add_argument("--encoder", choices=list(ENCODERS), default="dilated", help="family (default dilated)")
    parser.add_argument("--seed", type=int, default=0, help="of microscope and training (default 0)")
    parser.add_argument("--steps", type=int, default=3000, help="most optimiser steps (default 3000)")
    parser.add_argument("--frames", type=int, default=30, metavar="N", help="frames to stream (default 30)")
    parser.add_argument("--fps", type=float, default=5.0, help="frames a second (default 5)")
    parser.add_argument("--rows", type=int, default=16, metavar="N", help="scan lines sent at a time (default 16)")
    parser.add_argument("--stride", type=int, default=4, help="px between windows (default 4)")
    add_force(parser)
    parser.set_defaults(run=run_demo)


def run_demo(arguments: argparse.Namespace) -> None:
    """Run it and print the table."""
    from .demo import DemoSettings, demo, table

    settings = DemoSettings(
        output=arguments.output,
        force=arguments.force,
        input=arguments.input,
        encoder=arguments.encoder,
        seed=arguments.seed,
        steps=arguments.steps,
        frames=arguments.frames,
        frames_per_s=arguments.fps,
        rows=arguments.rows,
        stride=arguments.stride,
    )
    print(table(demo(settings)))  # noqa: T201 - a command's answer goes to stdout
