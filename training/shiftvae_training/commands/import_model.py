"""Convert a trained model of pyroVED or AtomAI into a model file."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from shiftvae_rt.commands import add_force
from shiftvae_rt.commands.text import described
from shiftvae_rt.errors import ModelFileError

from ..importing.scaling import Scaling, parse_scaling
from ..scans import parse_frames, read_scans
from .arguments import check_model_output, checked, positive

if TYPE_CHECKING:
    from ..importing.foreign import ForeignModel

__all__ = ["add_arguments", "run"]

PACKAGES = ("pyroved", "atomai")
#: Default priors of both packages.
PRIOR = 0.1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `shiftvae import`."""
    parser.add_argument("weights", metavar="WEIGHTS", help="weights of the model (state dict): .pt, .tar or .npz")
    parser.add_argument(
        "scan", metavar="SCAN", help="scan it was trained on, or one like it; FILE::NAME picks a dataset"
    )
    parser.add_argument("-o", "--output", required=True, metavar="NAME.svae", help="model file to write")
    parser.add_argument(
        "--from", required=True, choices=PACKAGES, dest="package", help="package that trained the model"
    )
    parser.add_argument(
        "--window", type=positive, metavar="PX", help="size of the window (default: what fits the weights)"
    )
    parser.add_argument("--signal", action="store_true", help="1D data")
    parser.add_argument(
        "--invariances", required=True, type=checked(parse_invariances), metavar="t|rt|...|none",
        help="latents beside the content: r rotation, t shift, s scale (an AtomAI rVAE has rt, a VAE none)",
    )  # fmt: skip
    parser.add_argument(
        "--prior",
        type=checked(_share),
        default=PRIOR,
        metavar="P",
        help="shift prior of the training, both axes (default 0.1)",
    )
    parser.add_argument(
        "--scale-prior",
        type=checked(_share),
        default=PRIOR,
        metavar="P",
        help="scale prior of the training (default 0.1)",
    )
    parser.add_argument(
        "--activation",
        default="tanh",
        choices=("tanh", "relu", "lrelu", "softplus"),
        help="activation of a pyroVED model (default tanh)",
    )
    parser.add_argument(
        "--scaling", type=checked(parse_scaling), default=Scaling("scan"), metavar="scan|window|LOW:HIGH|none",
        help="range that was scaled to 0..1 before training: of the scan (default), of each window, or LOW to HIGH",
    )  # fmt: skip
    parser.add_argument(
        "--frames",
        type=checked(parse_frames),
        default=slice(None),
        metavar="A:B",
        help="frames of a stack (default: all)",
    )
    add_force(parser)
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")


def run(arguments: argparse.Namespace) -> None:
    """Read the weights, convert and check them, write the model file and print a summary."""
    from ..importing.import_model import import_model

    check_model_output(arguments.output, force=arguments.force, report=False)
    model = _read(arguments)
    scans = read_scans([arguments.scan], which=arguments.frames, dimensions=1 if arguments.signal else None)
    done = import_model(arguments.output, model, Path(arguments.weights), scans, arguments.scaling)
    summary = {
        "model": arguments.output,
        **msgspec.structs.asdict(done.imported),
        "window_px": list(model.window),
        "information_nats": {latent.name: round(latent.kl_nats, 2) for latent in done.latents},
        "difference": done.parity,
    }
    print(json.dumps(summary, indent=1) if arguments.json else _readable(summary))


def parse_invariances(text: str) -> str:
    """Read ``t``, ``rt``, ``none`` ... as letters in the order of the latents; raises `ValueError` for others."""
    letters = "" if text == "none" else text
    if (not letters and text != "none") or set(letters) - set("rts") or len(set(letters)) != len(letters):
        raise ValueError(f"expected letters of r, t and s, each once, or none, got {text!r}")
    return "".join(letter for letter in "rts" if letter in letters)


def _read(arguments: argparse.Namespace) -> ForeignModel:
    from ..importing.atomai import read_atomai
    from ..importing.pyroved import read_pyroved
    from ..importing.weights import read_weights

    weights = read_weights(arguments.weights)
    common: dict[str, Any] = {
        "window": arguments.window,
        "signal": arguments.signal,
        "invariances": arguments.invariances,
        "shift_prior": arguments.prior,
    }
    if arguments.signal and arguments.invariances not in ("", "t"):
        raise ModelFileError(
            f"expected --invariances t or none for a signal, got {arguments.invariances}: it only shifts"
        )
    if arguments.package == "atomai":
        return read_atomai(weights, **common)
    return read_pyroved(weights, scale_prior=arguments.scale_prior, activation=arguments.activation, **common)


def _readable(found: dict[str, Any]) -> str:
    window = " x ".join(map(str, found["window_px"]))
    information = ", ".join(f"{name} {nats:.1f}" for name, nats in found["information_nats"].items())
    priors = ", ".join(f"{name} {prior:g}" for name, prior in found["priors"].items())
    lines = [
        ("network", f"{found['network']}, window {window} px"),
        ("intensity", found["scaling"]),
        ("priors", priors or "none"),
        ("information", f"{information} nats of each latent in a window"),
        ("exactness", f"differs from {found['package']} by {found['difference']:.1e} of a latent's prior"),
    ]
    return f"{found['model']}: {found['package']} weights {found['weights']}\n{described(lines, column=15, indent=2)}"


def _share(text: str) -> float:
    value = float(text)
    if not 0 < value < 100:
        raise ValueError(f"expected a positive number, got {text!r}")
    return value
