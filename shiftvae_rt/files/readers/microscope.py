"""DigitalMicrograph files and EMD of Velox, through RosettaSciIO.

RosettaSciIO is GPL-3.0. It is an optional extra (`[io]`), imported here and only when such a file is opened. Nothing in
shiftvae-rt is derived from it, and a runtime that gets its frames over the network does not need it.
"""

from __future__ import annotations

import logging
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

from ..recording import Recording
from ..slabs import Slabs
from .hyperspy_signals import pick

__all__ = ["read"]

#: ending -> (RosettaSciIO's name of the format, options of its reader). Chunks are read whole, and the last is kept.
_PLUGINS: dict[str, tuple[str, dict[str, Any]]] = {
    ".dm3": ("digitalmicrograph", {"chunks": "16 MiB"}),
    ".dm4": ("digitalmicrograph", {"chunks": "16 MiB"}),
    ".emd": ("emd", {}),
}


def read(path: Path, wanted: str | None) -> Recording:
    """Open the only signal of the file, or the one that `wanted` names by title or number.

    Among several signals, images come before spectra: a survey image is taken from a file that also holds its spectra.
    """
    name, options = _PLUGINS[path.suffix.lower()]
    module = import_module(f"rsciio.{name}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about metadata that we do not use
        logging.getLogger("rsciio").setLevel(logging.ERROR)
        signals = module.file_reader(str(path), lazy=True, **options)
    return pick(path, wanted, [{**signal, "data": Slabs(signal["data"])} for signal in signals])
