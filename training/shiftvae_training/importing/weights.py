"""Reader of weight files that never runs code from them."""

from __future__ import annotations

import math
import os
import pickle
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from shiftvae_rt.errors import ModelFileError, WindowError

from .foreign import ForeignModel, Layer

__all__ = ["Weights", "check_latents", "read_weights", "window_of"]


@dataclass(frozen=True)
class Weights:
    """Tensors of a file by name; nested names are joined by dots."""

    path: Path
    tensors: dict[str, Tensor]

    def layer(self, name: str) -> Layer:
        """Weight and bias of a layer.

        Raises
        ------
        ModelFileError
            if they are missing or not finite.
        """
        lacking = [n for n in (f"{name}.weight", f"{name}.bias") if n not in self.tensors]
        if lacking:
            found = ", ".join(sorted({n.rpartition(".")[0] for n in self.tensors})) or "nothing"
            raise ModelFileError(f"expected {lacking[0]} in {self.path}, got {found}: save the state dict of a VAE")
        weight, bias = self.tensors[f"{name}.weight"], self.tensors[f"{name}.bias"]
        if not (weight.isfinite().all() and bias.isfinite().all()):
            raise ModelFileError(f"{self.path}: {name} is not finite: the training diverged, train again")
        return weight, bias

    def layers(self, prefix: str) -> tuple[Layer, ...]:
        """Numbered layers of a sequence, in order; those without weights are left out."""
        pattern = re.compile(re.escape(prefix) + r"\.(\d+)\.weight")
        numbers = sorted(int(m[1]) for name in self.tensors if (m := pattern.fullmatch(name)))
        return tuple(self.layer(f"{prefix}.{n}") for n in numbers)

    def has(self, prefix: str) -> bool:
        """Tell whether any name begins with `prefix`."""
        return any(name.startswith(prefix) for name in self.tensors)


def read_weights(path: str | os.PathLike[str]) -> Weights:
    """Read a state dict saved by torch (``.pt``, ``.pth``, ``.tar``), or ``.npz`` with one array per name.

    Raises
    ------
    ModelFileError
        if the file is missing, damaged, or could run code when read.
    """
    path = Path(path)
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                return Weights(path, {name: torch.from_numpy(arrays[name]) for name in arrays.files})
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelFileError(
            f"{path} holds more than tensors, and reading it could run code: save the weights alone, with the "
            "package's own model.save_weights (for AtomAI: atomai.load_model(file).save_weights(name))"
        ) from error
    except (OSError, ValueError, EOFError, RuntimeError, KeyError, zipfile.BadZipFile) as error:
        raise ModelFileError(f"cannot read the weights {path} ({str(error).splitlines()[0]})") from error
    if not isinstance(content, Mapping):
        raise ModelFileError(f"{path} holds a {type(content).__name__}, not a state dict: save model.state_dict()")
    tensors: dict[str, Tensor] = {}
    for name, value in content.items():
        inner = value.items() if isinstance(value, Mapping) else [("", value)]
        tensors |= {f"{name}.{key}" if key else str(name): entry for key, entry in inner if isinstance(entry, Tensor)}
    return Weights(path, tensors)


def window_of(inputs: int, given: int | None, *, signal: bool) -> tuple[int, int]:
    """Window ``(height, width)`` px of a network with this many `inputs`; `given` is its side if known.

    Raises
    ------
    WindowError
        if it is not square, or its side is not the given one.
    """
    side = inputs if signal else math.isqrt(inputs)
    window = (1 if signal else side, side)
    if math.prod(window) != inputs or given not in (None, side):
        expected = f"a window of {given} px" if given else "a square window"
        raise WindowError(
            f"expected a network for {expected}, got one with {inputs} inputs: give the window of its training "
            "(--signal for 1D); networks with several channels or classes are not supported"
        )
    return window


def check_latents(weights: Weights, model: ForeignModel, first_of_decoder: str) -> None:
    """Check the invariances against the decoder, whose layer `first_of_decoder` shows the number of content latents.

    Raises
    ------
    ModelFileError
        if they disagree, or the network has too few latents.
    """
    latents, content = len(model.mean[1]), model.content
    known = weights.tensors[first_of_decoder].shape[1] if first_of_decoder in weights.tensors else max(content, 0)
    if known != content:
        raise ModelFileError(
            f"expected --invariances of {latents - known} latents, got '{model.invariances or 'none'}': {weights.path} "
            f"has {latents} latents, {known} of them content; give the invariances that it was trained with"
        )
