"""State from which a training continues: all weights of a model and the looks so far, as arrays in the model file.

The graphs of a model file do not contain it: their first layers are scaled and summed for the runtime, which loses the
last bits, and the order of a decoder's weights in a graph is not defined (docs/decisions/training-state.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor

from shiftvae_rt.errors import ModelFileError, TrainingError
from shiftvae_rt.model.archive import read_arrays
from shiftvae_rt.model.manifest import Manifest, Training
from shiftvae_rt.model.model_file import ModelFile

from ..model.decoder import DecoderName
from ..model.encoder_families import ENCODERS
from ..model.encoder_weights import Turn
from ..model.grain_shift import GrainShift
from ..model.likelihood import Bernoulli, Gaussian, Likelihood, Poisson
from ..model.order import Order
from ..model.pose import PoseLatent
from ..model.rotation import Rotation
from ..model.scale import Scale
from ..model.shift import PlanarShift, Shift, TorusShift
from ..model.shift_vae import Member, ShiftVAE
from .checkpoint import pack_arrays
from .course import Step
from .family import SCALE_PRIOR

__all__ = ["TrainingState", "pack_state", "read_looks", "unpack_state"]

WEIGHT = "weight/"
#: Parameters of a Bernoulli likelihood, ``(C,)`` each.
BERNOULLI = ("low", "high", "level", "spread")


@dataclass(frozen=True)
class TrainingState:
    """A model after the last step of its training, before canonical form and calibration.

    Attributes
    ----------
    model
        The model.
    order
        Index in it of each reported content latent.
    history
        All looks at the held-out tiles.
    """

    model: ShiftVAE
    order: tuple[int, ...]
    history: tuple[Step, ...]


def pack_state(model: ShiftVAE, weights: Mapping[str, Tensor], order: Sequence[int], history: Sequence[Step]) -> bytes:
    """Bytes of ``training.npz``.

    Its arrays: ``weight/NAME``, a parameter or buffer of the torch module after the last step (`weights`; those of
    `model` are canonical and calibrated by now); ``order (m,)``, the index there of each content latent; ``looks (n,
    5)`` float64, the fields of each `Step`; for a planar shift ``first_reach_px``; for a Bernoulli likelihood ``low,
    high, level, spread (C,)``.
    """
    arrays = {WEIGHT + name: value.numpy() for name, value in weights.items()}
    arrays["order"] = np.array(order, dtype=np.int64)
    arrays["looks"] = np.array([astuple(step) for step in history], dtype=np.float64)
    if isinstance(model.shift, PlanarShift):
        arrays["first_reach_px"] = np.array(model.shift.first_reach_px)
    if isinstance(model.likelihood, Bernoulli):
        arrays |= {name: getattr(model.likelihood, name).numpy() for name in BERNOULLI}
    return pack_arrays(arrays)


def read_looks(file: ModelFile) -> tuple[Step, ...]:
    """Looks at the held-out tiles of the training that ended with this file; empty if the file has no state."""
    if file.training_state is None:
        return ()
    looks = read_arrays(file.training_state, "training.npz").get("looks")
    if looks is None or looks.ndim != 2 or looks.shape[1] != 5:
        raise ModelFileError(f"{file.path}: training.npz has no looks of five numbers each: export the model again")
    return tuple(Step(int(step), *values) for step, *values in looks.tolist())


def unpack_state(file: ModelFile) -> TrainingState:
    """State of a model file: its torch model after the last step, bit for bit.

    Raises
    ------
    TrainingError
        for an imported model, or one whose encoder family is not in `ENCODERS`.
    ModelFileError
        for weights that do not fit the manifest.
    """
    manifest, training = file.manifest, file.manifest.training
    if training is None or file.training_state is None:
        raise TrainingError(f"{file.path} holds no weights to go on from, as of an imported model: train anew")
    if manifest.encoder not in ENCODERS:
        raise TrainingError(
            f"expected an encoder of {', '.join(ENCODERS)}, got {manifest.encoder!r} in {file.path}: add your "
            "family to ENCODERS before you continue its training"
        )
    arrays = read_arrays(file.training_state, "training.npz")
    weights = {n.removeprefix(WEIGHT): torch.from_numpy(a) for n, a in arrays.items() if n.startswith(WEIGHT)}
    try:
        likelihood = _likelihood(training, {name: arrays[name] for name in BERNOULLI if name in arrays})
        model = ShiftVAE(
            manifest.encoder,
            manifest.window,
            manifest.intensity.channel_scale,
            shift=_shift(manifest, float(arrays["first_reach_px"]) if not manifest.lattice else None),
            content=sum(latent.kind == "content" for latent in manifest.latents),
            sd_floor=manifest.intensity.sd_floor,
            member=Member(
                _further(manifest),
                cast("DecoderName", training.decoder),
                likelihood,
                training.classes,
                _order(manifest),
                _turn(arrays),
            ),
        )
        model.load_state_dict(weights)
        order = tuple(int(index) for index in arrays["order"])
        if sorted(order) != list(range(model.content)):
            raise ValueError(f"order of the content latents {order}")
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ModelFileError(
            f"{file.path}: training.npz does not fit the manifest ({reason}): export it again"
        ) from error
    return TrainingState(model, order, read_looks(file))


def _shift(manifest: Manifest, first_reach_px: float | None) -> Shift:
    if first_reach_px is None:
        if manifest.grains:
            return GrainShift.of(torch.tensor([grain.vectors for grain in manifest.grains], dtype=torch.float32))
        return TorusShift(torch.tensor(manifest.lattice, dtype=torch.float32))
    return PlanarShift(manifest.dimensions, first_reach_px)


def _turn(arrays: Mapping[str, np.ndarray]) -> Turn | None:
    """Turn of the encoder's features; None for one without."""
    name = WEIGHT + "encoder.turned."
    return Turn(arrays[name + "orders"], arrays[name + "phases"]) if name + "orders" in arrays else None


def _order(manifest: Manifest) -> Order | None:
    if not manifest.superlattice:
        return None
    vectors = np.array(manifest.superlattice) @ np.linalg.inv(np.array(manifest.lattice)).T
    return Order(torch.tensor(vectors, dtype=torch.float32))


def _further(manifest: Manifest) -> tuple[PoseLatent, ...]:
    """Rotation and scale latents that the model has."""
    found: list[PoseLatent] = []
    for latent in manifest.latents:
        if latent.kind == "rotation" and latent.period is not None:
            found.append(Rotation(round(360 / latent.period)))
        elif latent.kind == "scale":
            found.append(Scale(SCALE_PRIOR))
    return tuple(found)


def _likelihood(training: Training, ranges: dict[str, np.ndarray]) -> Likelihood:
    if training.likelihood == "bernoulli":
        return Bernoulli(**{name: torch.from_numpy(ranges[name]) for name in BERNOULLI})
    return Poisson() if training.likelihood == "poisson" else Gaussian()
