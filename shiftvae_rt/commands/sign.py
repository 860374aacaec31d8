"""Sign a model file with a key, for `shiftvae serve --signed-by`."""

from __future__ import annotations

import argparse
from pathlib import Path

from .text import described

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `shiftvae sign`."""
    parser.add_argument("model", type=Path, metavar="MODEL", help="model file (.svae); an older signature is replaced")
    parser.add_argument(
        "--key", type=Path, required=True, metavar="NAME.key", help="secret key, created by `shiftvae keys signing`"
    )


def run(arguments: argparse.Namespace) -> None:
    """Check the model, sign it, and say its new hash."""
    from ..model.model_file import sign_model_file

    model = sign_model_file(arguments.model, arguments.key)
    print(described([("signed", f"{arguments.model} with {arguments.key}"), ("sha256", model.sha256)], column=8))
