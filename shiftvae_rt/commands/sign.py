"""`shiftvae sign`: say with a key that a model file is yours, for `shiftvae serve --signed-by`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import Subparsers

__all__ = ["add"]


def add(subparsers: Subparsers) -> None:
    """Add `shiftvae sign`."""
    parser = subparsers.add_parser("sign", help="sign a model file", description=__doc__)
    parser.add_argument("model", type=Path, metavar="MODEL", help="model file (.svae); an older signature is replaced")
    parser.add_argument("--key", type=Path, required=True, metavar="NAME.key", help="made by `shiftvae keys signing`")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Check the model, sign it, and say its new hash."""
    from ..model.model_file import sign_model_file

    model = sign_model_file(arguments.model, arguments.key)
    print(f"signed {arguments.model} with {arguments.key}; its SHA-256 is now {model.sha256}")
