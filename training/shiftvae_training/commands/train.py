"""Train a model on a scan and write it as a model file, with a report beside it.

Ctrl-C ends the training early and keeps the model of the best look at held-out regions so far; before the first look it
stops everything.

torchrun --nproc-per-node N -m shiftvae_training train ... shares every batch among N processes.
"""

from __future__ import annotations

import argparse
import json
import os
import warnings
from functools import reduce
from operator import or_
from pathlib import Path
from typing import get_args

from shiftvae_rt.commands import add_force
from shiftvae_rt.names import shown
from shiftvae_rt.output_file import try_output

from ..constraints import CONSTRAINTS, parse_constraint
from ..fitting.device import DeviceName, choose_device
from ..fitting.progress import Progress
from ..fitting.settings import MOST_CONTENT, Settings, check_setting
from ..lattice.cell import parse_cell
from ..model.encoder_families import ENCODERS
from ..model.shift import ShiftName
from ..scans import parse_frames, read_scans
from .arguments import automatic_or, check_model_output, checked, field
from .family_arguments import add_family, classes_of_frames
from .summary import readable, summarise

__all__ = ["add_arguments", "run"]

#: Upper bound of the size of a checkpoint.
CHECKPOINT_BYTES = 64 << 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `shiftvae train`."""
    parser.add_argument(
        "scans", nargs="+", metavar="SCAN", help="microscope files; FILE::NAME picks one of several datasets"
    )
    parser.add_argument("-o", "--output", required=True, metavar="NAME.svae", help="model file to write")
    parser.add_argument(
        "--frames",
        type=checked(parse_frames),
        default=slice(None),
        metavar="A:B",
        help="frames of a stack: 7, 0:20, 5: (default: all)",
    )
    parser.add_argument("--signal", action="store_true", help="1D data: every row of an array is a signal")
    default = Settings()
    parser.add_argument(
        "--window",
        type=field(check_setting, "window", automatic_or(int)),
        default=default.window,
        metavar="PX",
        help="size of the window (default auto)",
    )
    parser.add_argument(
        "--latents",
        type=field(check_setting, "content", automatic_or(int)),
        default=default.content,
        metavar="N",
        help=f"number of content latents, 0 to {MOST_CONTENT} (default auto)",
    )
    parser.add_argument(
        "--encoder",
        type=field(check_setting, "encoder"),
        default=default.encoder,
        metavar="|".join(ENCODERS),
        help=f"encoder family (default {default.encoder})",
    )
    parser.add_argument(
        "--shift",
        type=field(check_setting, "shift"),
        default=default.shift,
        metavar="|".join(get_args(ShiftName)),
        help="torus: a shift on the lattice (default); planar: isolated features without a lattice",
    )
    parser.add_argument(
        "--cell",
        type=field(check_setting, "cell", parse_cell),
        default=default.cell,
        metavar='auto|parent|super|"(Y,X),(Y,X)"',
        help="cell of a sample with a superlattice: the larger one if its satellites are clear all over the frame, "
        "without antiphase walls (auto), the smaller, the larger, or two lattice vectors in px",
    )
    parser.add_argument(
        "--constraint",
        action="append",
        default=[],
        type=field(check_setting, "constraints", parse_constraint),
        metavar="NAME=WEIGHT",
        help=f"physical condition and its weight; may be given several times; NAME is one of {', '.join(CONSTRAINTS)}; "
        "the weight of smooth is chosen unless given",
    )
    add_family(parser)
    for name, meaning in (
        ("steps", "largest number of optimiser steps"),
        ("seed", "seed of all random numbers"),
        ("threads", "number of threads of torch"),
    ):
        known = getattr(default, name)
        read = field(check_setting, name, int)
        parser.add_argument(f"--{name}", type=read, default=known, metavar="N", help=f"{meaning} (default {known})")
    parser.add_argument(
        "--device",
        choices=get_args(DeviceName),
        default="cpu",
        help="where the steps run; auto takes a GPU where CUDA finds one (default cpu)",
    )
    parser.add_argument(
        "--checkpoint",
        type=Path,
        metavar="FILE",
        help="keep the training in this file while it goes on; the same command goes on from there, to the same bits",
    )
    parser.add_argument(
        "--no-report", dest="report", action="store_false", help="write the model alone: saves some seconds"
    )
    add_force(parser)
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")


def run(arguments: argparse.Namespace) -> None:
    """Read, train, write, say what came out; of several processes of torchrun the first alone writes and says."""
    leads = os.environ.get("WORLD_SIZE", "1") == "1" or os.environ["RANK"] == "0"
    if leads:
        check_model_output(arguments.output, force=arguments.force, report=arguments.report)
        if arguments.checkpoint is not None:
            try_output(arguments.checkpoint, force=True, room=CHECKPOINT_BYTES)
    else:
        warnings.simplefilter("ignore")
    device = choose_device(arguments.device)
    progress = Progress(arguments.steps, shown=leads)
    more = f" and {len(arguments.scans) - 1} more" if len(arguments.scans) > 1 else ""
    progress.stage(f"reading {shown(arguments.scans[0])}{more} ...")
    from ..fit_model import fit_scans
    from ..fitting.workers import Workers

    scans = read_scans(arguments.scans, which=arguments.frames, dimensions=1 if arguments.signal else None)
    settings = Settings(
        window=arguments.window,
        content=arguments.latents,
        encoder=arguments.encoder,
        shift=arguments.shift,
        cell=arguments.cell,
        constraints=reduce(or_, arguments.constraint, Settings().constraints),
        steps=arguments.steps,
        seed=arguments.seed,
        threads=arguments.threads,
        rotation=arguments.rotation,
        scale=arguments.scale,
        likelihood=arguments.likelihood,
        kl_content=arguments.kl_content,
        decoder=arguments.decoder,
        classes=classes_of_frames(arguments.classes, scans),
    )
    with Workers.of_torchrun(device) as workers:
        fitted = fit_scans(
            scans,
            settings,
            progress=progress,
            checkpoint=arguments.checkpoint,
            workers=workers,
            report=arguments.report,
        )
    progress.stage(f"writing {shown(arguments.output)} ...")
    fitted.model.save(arguments.output)
    summary = summarise(fitted.trained) | {
        "model": arguments.output,
        **({"report": str(Path(arguments.output).with_suffix(".html"))} if arguments.report else {}),
        "onnx_against_torch": fitted.parity.against_torch,
        "dense_against_windows": fitted.parity.against_windows,
    }
    print(json.dumps(summary, indent=1) if arguments.json else readable(summary))
