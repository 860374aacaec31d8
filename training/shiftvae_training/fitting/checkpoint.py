"""Checkpoints: a file from which a training that was interrupted goes on to the same bits.

A checkpoint holds what the model file of a finished training does not: the state of Adam, of all generators of random
numbers, and the looks so far. What comes before the first step (lattice, choices, first guess) is not in it, because
the same frames and settings give it again, bit for bit (docs/decisions/training-state.md).
"""

from __future__ import annotations

import io
import time
from collections.abc import Mapping
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from shiftvae_rt.errors import ModelFileError, TrainingError
from shiftvae_rt.model.archive import read_arrays
from shiftvae_rt.output_file import write_whole

from .course import Course, Step

__all__ = ["Checkpoint", "pack_arrays"]

#: Seconds after which a checkpoint is written between two looks, which write one too.
EVERY_S = 30.0
#: Beginnings of the names of arrays, and what Adam keeps of each parameter.
WEIGHT, BEST, ADAM, AVERAGE = "weight/", "best/", "adam/", "average/"
MOMENTS = ("steps", "means", "squares")


def pack_arrays(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Bytes of an uncompressed ``.npz`` of plain numbers, as `read_arrays` reads it."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]  # numpy's own stub: a name may be allow_pickle
    return buffer.getvalue()


class Checkpoint:
    """The file of one training, replaced whole from time to time.

    Parameters
    ----------
    path
        The file; it need not be there.
    training
        SHA-256 of all that the training depends on, in hexadecimal: a checkpoint of another one is refused.
    """

    def __init__(self, path: Path, training: str) -> None:
        self._path, self._training = path, np.frombuffer(bytes.fromhex(training), np.uint8)
        self._written_s = time.monotonic()

    def is_due(self) -> bool:
        """Tell whether the last writing was long ago."""
        return time.monotonic() - self._written_s > EVERY_S

    def write(self, course: Course) -> None:
        """Write the course of the training; the file before it stays whole until this one is.

        Raises
        ------
        DataFileError
            if the file cannot be written.
        """
        arrays = {WEIGHT + name: value.numpy(force=True) for name, value in course.model.state_dict().items()}
        arrays |= {BEST + name: value.numpy(force=True) for name, value in course.best.items()}
        for name, values in _moments(course).items():
            arrays |= {f"{ADAM}{name}/{number}": value.numpy(force=True) for number, value in enumerate(values)}
        arrays |= {f"{AVERAGE}{i}": value.numpy(force=True) for i, value in enumerate(course.average.mean)}
        arrays |= {f"generator/{i}": _state_of(each) for i, each in enumerate(course.generators)}
        arrays |= {"torch_generator": torch.get_rng_state().numpy(), "training": self._training}
        if (device := course.model.noise_sd.device).type == "cuda":
            arrays |= {"device_generator": torch.cuda.get_rng_state(device).numpy()}
        arrays |= {"step": np.array(course.step), "looks": np.array([astuple(look) for look in course.history])}
        write_whole(self._path, pack_arrays(arrays))
        self._written_s = time.monotonic()

    def restore(self, course: Course) -> bool:
        """Bring `course`, which is at its first step, to where the file left it; tells whether there is a file.

        Raises
        ------
        TrainingError
            for a file that is no checkpoint, a damaged one, or one of another training.
        """
        if not self._path.exists():
            return False
        try:
            arrays = read_arrays(self._path.read_bytes(), str(self._path))
            if not np.array_equal(arrays["training"], self._training):
                raise TrainingError(
                    f"{self._path} is the checkpoint of another training (other frames, settings or versions): "
                    "delete it, or name another file"
                )
            _restore(course, arrays)
        except (ModelFileError, OSError, KeyError, ValueError, RuntimeError) as error:
            if isinstance(error, TrainingError):
                raise
            reason = " ".join(str(error).split())
            raise TrainingError(
                f"expected a checkpoint in {self._path}, got a damaged or another file ({reason}): delete it, or name "
                "another file"
            ) from error
        return True


def _restore(course: Course, arrays: Mapping[str, NDArray[Any]]) -> None:
    def tensors(prefix: str) -> dict[str, torch.Tensor]:
        return {name.removeprefix(prefix): torch.from_numpy(a) for name, a in arrays.items() if name.startswith(prefix)}

    course.model.load_state_dict(tensors(WEIGHT))
    course.best = tensors(BEST)
    for name, values in _moments(course).items():
        for number, value in enumerate(values):
            value.copy_(torch.from_numpy(arrays[f"{ADAM}{name}/{number}"]))
    for index, value in enumerate(course.average.mean):
        value.copy_(torch.from_numpy(arrays[f"{AVERAGE}{index}"]))
    for index, generator in enumerate(course.generators):
        _set_state(generator, arrays[f"generator/{index}"])
    torch.set_rng_state(torch.from_numpy(arrays["torch_generator"]))
    if (device := course.model.noise_sd.device).type == "cuda":
        torch.cuda.set_rng_state(torch.from_numpy(arrays["device_generator"]), device)
    course.step = int(arrays["step"])
    course.history = [Step(int(step), *values) for step, *values in arrays["looks"].reshape(-1, 5).tolist()]


def _moments(course: Course) -> dict[str, list[torch.Tensor]]:
    """State of Adam for each parameter, by name."""
    return {name: getattr(course.optimiser, name) for name in MOMENTS}


def _state_of(generator: np.random.Generator) -> NDArray[np.uint64]:
    """State of a PCG64 generator as numbers: state and increment of 128 bits each, and what is left of a draw."""
    state: Any = generator.bit_generator.state
    halves = [part for key in ("state", "inc") for part in divmod(state["state"][key], 1 << 64)]
    return np.array([*halves, state["has_uint32"], state["uinteger"]], np.uint64)


def _set_state(generator: np.random.Generator, numbers: NDArray[np.uint64]) -> None:
    high, low, inc_high, inc_low, left, uinteger = (int(number) for number in numbers)
    generator.bit_generator.state = {
        "bit_generator": "PCG64",
        "state": {"state": (high << 64) + low, "inc": (inc_high << 64) + inc_low},
        "has_uint32": left,
        "uinteger": uinteger,
    }
