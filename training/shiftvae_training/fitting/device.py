"""The device of the optimiser: the CPU, or a GPU that CUDA drives.

Only the steps run there. Preparation, calibration, domain and report stay on the CPU.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, TypeAlias, TypeVar, get_args

import torch
from torch import Tensor, nn

from shiftvae_rt.errors import TrainingError

from ..model.shift_vae import ShiftVAE

__all__ = ["CPU", "DeviceName", "check_device", "choose_device", "model_on"]

#: What `--device` takes.
DeviceName: TypeAlias = Literal["auto", "cpu", "cuda"]
CPU = torch.device("cpu")

_Part = TypeVar("_Part")


def choose_device(wanted: str) -> torch.device:
    """Choose the device of this process.

    Parameters
    ----------
    wanted
        ``"cpu"``; ``"cuda"``, of several processes of torchrun one GPU each; ``"auto"``, CUDA where there is a GPU for
        it.

    Raises
    ------
    TrainingError
        for another name; for ``"cuda"`` where torch has no CUDA, or finds no GPU for this process.
    """
    if wanted not in get_args(DeviceName):
        raise TrainingError(f"expected device to be one of {', '.join(get_args(DeviceName))}, got {wanted!r}")
    place, found = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if wanted == "cpu" or (wanted == "auto" and not found):
        return CPU
    if torch.version.cuda is None:
        raise TrainingError(
            f"--device cuda needs a torch with CUDA, got torch {torch.__version__}: install one from pytorch.org, or "
            "choose --device cpu"
        )
    if not found:
        raise TrainingError(
            f"--device cuda: torch {torch.__version__} finds no GPU here: see nvidia-smi for the driver and "
            "CUDA_VISIBLE_DEVICES for what is hidden, or choose --device cpu"
        )
    if place >= found:
        raise TrainingError(f"expected at most {found} processes on this machine, one for each GPU, got {place + 1}")
    return torch.device("cuda", place)


def check_device(device: torch.device, *, taught: bool, grains: bool) -> None:
    """Check that a model can be trained on the device.

    Raises
    ------
    TrainingError
        for a GPU and a model whose terms are computed on the CPU.
    """
    for reason, holds in {"a motif that turns or grows": taught, "several grains": grains}.items():
        if holds and device != CPU:
            raise TrainingError(f"{reason} cannot be trained on a GPU: choose --device cpu")


@contextmanager
def model_on(device: torch.device, model: ShiftVAE) -> Iterator[None]:
    """Move the model to the device and back; within the block, new tensors are made there.

    Convolutions are computed in float32, not in TF32, as products of matrices are.
    """
    if device == CPU:
        yield
        return
    _move(model, device)
    try:
        with torch.backends.cudnn.flags(allow_tf32=False), device:
            yield
    finally:
        _move(model, CPU)


def _move(model: ShiftVAE, device: torch.device) -> None:
    model.to(device)
    model.shift, model.order = _moved(model.shift, device), _moved(model.order, device)
    model.likelihood = _moved(model.likelihood, device)


def _moved(part: _Part, device: torch.device) -> _Part:
    """Part of a model with its tensors on the device: a module, or a dataclass."""
    if isinstance(part, nn.Module) or not dataclasses.is_dataclass(part):
        return part
    held: dict[str, Any] = {field.name: getattr(part, field.name) for field in dataclasses.fields(part)}
    return dataclasses.replace(part, **{k: v.to(device) for k, v in held.items() if isinstance(v, Tensor)})  # type: ignore[type-var]
