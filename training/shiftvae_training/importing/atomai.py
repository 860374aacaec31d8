"""AtomAI's VAE and rVAE, from what their `save_weights` writes (version 0.8).

The encoder alone: the file does not say whether a sigmoid follows the decoder, which depends on the loss.
"""

from __future__ import annotations

from shiftvae_rt.errors import ModelFileError

from .foreign import ForeignModel
from .weights import Weights, check_latents, window_of

__all__ = ["read_atomai"]


def read_atomai(
    weights: Weights, *, window: int | None, signal: bool, invariances: str, shift_prior: float
) -> ForeignModel:
    """The model; what the file does not say is as it was given to ``VAE`` or ``rVAE`` and their `fit`.

    Raises
    ------
    ModelFileError, WindowError
        if the file holds another model, or not the one described.
    """
    if weights.has("encoder.fc13"):
        raise ModelFileError(f"{weights.path} is a model with classes: only AtomAI's VAE and rVAE can be imported")
    if invariances not in ("", "r", "rt"):
        raise ModelFileError(f"expected --invariances rt or r for an AtomAI rVAE, none for a VAE, got {invariances}")
    dense, convolutions = weights.layers("encoder.dense"), weights.layers("encoder.conv.block")
    if not dense and not convolutions:
        raise ModelFileError(f"{weights.path} has no encoder.dense or encoder.conv: expected what an AtomAI VAE saves")
    mean = weights.layer("encoder.fc11")
    inputs = dense[0][0].shape[1] if dense else mean[0].shape[1] // len(convolutions[-1][1])
    model = ForeignModel(
        package="AtomAI",
        window=window_of(inputs, window, signal=signal),
        convolutions=tuple((weight[:, :, None] if weight.ndim == 3 else weight, bias) for weight, bias in convolutions),
        dense=dense,
        activation="tanh",
        mean=mean,
        deviation=weights.layer("encoder.fc12"),
        softplus=False,
        invariances=invariances,
        shift_prior=shift_prior,
        scale_prior=0.0,
        decoder=None,
    )
    if convolutions and convolutions[0][0].shape[1] != 1:
        raise ModelFileError(
            f"{weights.path} takes {convolutions[0][0].shape[1]} channels: one is all that is imported"
        )
    check_latents(
        weights, model, "decoder.coord_latent.fc_latent.weight" if invariances else "decoder.decoder.0.weight"
    )
    return model
