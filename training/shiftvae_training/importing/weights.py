"""Files of weights, read without running any code that they hold."""

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
    """Tensors by name; a nested name has dots."""

    path: Path
    tensors: dict[str, Tensor]

    def layer(self, name: str) -> Layer:
        """Weight and bias of a layer.

        Raises
        ------
        ModelFileError
            if they are not there or not finite.
        """
        lacking = [n for n in (f"{name}.weight", f"{name}.bias") if n not in self.tensors]
        if lacking:
            found = ", ".join(sorted({n.rpartition(".")[0] for n in self.tensors})) or "nothing"
            raise ModelFileError(f"{self.path} has no {lacking[0]} but {found}: save the state dict of a VAE")
        weight, bias = self.tensors[f"{name}.weight"], self.tensors[f"{name}.bias"]
        if not (weight.isfinite().all() and bias.isfinite().all()):
            raise ModelFileError(f"{self.path}: {name} is not finite: the training diverged, train again")
        return weight, bias

    def layers(self, prefix: str) -> tuple[Layer, ...]:
        """The numbered layers of a sequence, in order; those without weights are left out."""
        pattern = re.compile(re.escape(prefix) + r"\.(\d+)\.weight")
        numbers = sorted(int(m[1]) for name in self.tensors if (m := pattern.fullmatch(name)))
        return tuple(self.layer(f"{prefix}.{n}") for n in numbers)

    def has(self, prefix: str) -> bool:
        """Tell whether a name begins so."""
        return any(name.startswith(prefix) for name in self.tensors)


def read_weights(path: str | os.PathLike[str]) -> Weights:
    """Read ``.pt``, ``.pth`` or ``.tar`` as torch saves a state dict, or ``.npz`` with an array for each name.

    Raises
    ------
    ModelFileError
        if the file is missing, damaged, or would have to run code to be read.
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


def window_of(inputs: int, asked: int | None, *, signal: bool) -> tuple[int, int]:
    """Window of a network with so many inputs.

    Raises
    ------
    WindowError
        if it is not the window that was asked for, or not square.
    """
    side = inputs if signal else math.isqrt(inputs)
    window = (1 if signal else side, side)
    if math.prod(window) != inputs or asked not in (None, side):
        wanted = f"{asked} px" if asked else "a square window"
        raise WindowError(
            f"expected a network for {wanted}, got one with {inputs} inputs: give the window that it was trained with "
            "(--signal for 1D); several channels and class-conditional networks cannot be imported"
        )
    return window


def check_latents(weights: Weights, model: ForeignModel, first_of_decoder: str) -> None:
    """Compare the invariances with the decoder, which knows how many of the latents are content.

    Raises
    ------
    ModelFileError
        if they disagree, or the network has too few latents for them.
    """
    latents, content = len(model.mean[1]), model.content
    known = weights.tensors[first_of_decoder].shape[1] if first_of_decoder in weights.tensors else max(content, 0)
    if known != content:
        raise ModelFileError(
            f"{weights.path} has {latents} latents, {known} of them content: --invariances of {latents - known} "
            f"latents were expected, not '{model.invariances or 'none'}': say which it was trained with"
        )
