"""Train on one scan, then stream the next ones line by line and collect their latent maps."""

from __future__ import annotations

import argparse

from shiftvae_rt.commands import add_force

from ..model.encoder_families import ENCODERS
from .arguments import field
from .demo_settings import DemoSettings, check_demo_setting

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `shiftvae demo`."""
    parser.add_argument(
        "-o", "--output", required=True, metavar="DIR", help="folder for the model, pictures and a summary"
    )
    parser.add_argument("--input", metavar="FILE", help="scan or movie of your own (default: a simulated microscope)")
    for option, name, read, metavar, meaning in (
        ("--encoder", "encoder", str, "|".join(ENCODERS), "encoder family"),
        ("--seed", "seed", int, "N", "seed of the microscope and the training"),
        ("--steps", "steps", int, "N", "largest number of optimiser steps"),
        ("--frames", "frames", int, "N", "number of frames to stream"),
        ("--fps", "frames_per_s", float, "N", "frames a second"),
        ("--rows", "rows", int, "N", "scan lines in a message"),
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


def run(arguments: argparse.Namespace) -> None:
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
