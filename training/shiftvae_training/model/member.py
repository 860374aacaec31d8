"""A member of the model family: what a shift-VAE has beside shift and content."""

from __future__ import annotations

from dataclasses import dataclass, field

from .decoder import DecoderName
from .encoder_weights import Turn
from .likelihood import Gaussian, Likelihood
from .order import Order
from .pose import PoseLatent

__all__ = ["Member"]


@dataclass(frozen=True)
class Member:
    """Member of the model family; the default has only a shift.

    Parameters
    ----------
    further
        Latents of the pose other than the shift, in the order of the encoder's outputs.
    decoder
        ``"template"`` or ``"coordinate"``.
    likelihood
        Likelihood of the pixels.
    classes
        Names of the classes that the decoder is conditioned on; empty without classes.
    order
        Order latents, for the template decoder without classes; None without.
    turn
        How the encoder's features turn with the lattice; None if they do not.
    """

    further: tuple[PoseLatent, ...] = ()
    decoder: DecoderName = "template"
    likelihood: Likelihood = field(default_factory=Gaussian)
    classes: tuple[str, ...] = ()
    order: Order | None = None
    turn: Turn | None = None
