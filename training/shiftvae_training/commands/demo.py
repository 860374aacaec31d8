"""`shiftvae demo`: train on one scan, then watch latent maps of the next ones arrive while they are scanned."""

from __future__ import annotations

import argparse
from typing import Any

from shiftvae_rt.commands import add_force

from ..model.encoder_families import ENCODERS
from .arguments import field
from .demo_settings import DemoSettings, check_demo_setting

__all__ = ["add"]


def add(subparsers: Any) -> None:
    """Add `shiftvae demo`."""
    parser = subparsers.add_parser("demo", help="all of it, on a simulated microscope or a file", description=__doc__)
    parser.add_argument("-o", "--output", required=True, metavar="DIR", help="folder for model, picture and summary")
    parser.add_argument("--input", metavar="FILE", help="a scan or movie of your own (default: simulated microscope)")
    for option, name, read, metavar, meaning in (
        ("--encoder", "encoder", str, "|".join(ENCODERS), "family"),
        ("--seed", "seed", int, "N", "of microscope and training"),
        ("--steps", "steps", int, "N", "most optimiser steps"),
        ("--frames", "frames", int, "N", "frames to stream"),
        ("--fps", "frames_per_s", float, "N", "frames a second"),
        ("--rows", "rows", int, "N", "scan lines sent at a time"),
        ("--stride", "stride", int, "PX", "px between windows"),
    ):
        known = getattr(DemoSettings, name)
        parser.add_argument(
            option,
            dest=name,
            type=field(check_demo_setting, name, read),
            default=known,
            metavar=metavar,
            help=f"{meaning} (default {known})",
        )
    add_force(parser)
    parser.set_defaults(run=run_demo)


def run_demo(arguments: argparse.Namespace) -> None:
    """Run it and print the table."""
    from .demo_flow import demo, table

    settings = DemoSettings(
        output=arguments.output,
        force=arguments.force,
        input=arguments.input,
        encoder=arguments.encoder,
        seed=arguments.seed,
        steps=arguments.steps,
        frames=arguments.frames,
        frames_per_s=arguments.frames_per_s,
        rows=arguments.rows,
        stride=arguments.stride,
    )
    print(table(demo(settings)))
