"""Reader of pyroVED's iVAE, from the state dict that its `save_weights` writes (version 0.3).

The decoder is assumed to end in a sigmoid, as it does unless ``sigmoid_d=False``; the encoder does not depend on it.
"""

from __future__ import annotations

from shiftvae_rt.errors import ModelFileError

from .foreign import ForeignDecoder, ForeignModel
from .weights import Weights, check_latents, window_of

__all__ = ["read_pyroved"]


def read_pyroved(
    weights: Weights,
    *,
    window: int | None,
    signal: bool,
    invariances: str,
    shift_prior: float,
    scale_prior: float,
    activation: str,
) -> ForeignModel:
    """Read a pyroVED model.

    Parameters
    ----------
    weights
        The file's tensors.
    window, signal, invariances, shift_prior, scale_prior, activation
        What the file does not say, as it was given to ``iVAE``; see `ForeignModel`.

    Raises
    ------
    ModelFileError, WindowError
        if the file holds another kind of model, or one that does not fit the description.
    """
    if weights.has("encoder_z.fc13") or weights.has("encoder_y"):
        raise ModelFileError(f"expected a pyroVED iVAE, got a model with classes in {weights.path}")
    dense = weights.layers("encoder_z.fc_layers")
    if not dense:
        raise ModelFileError(f"expected a pyroVED iVAE, got a file without encoder_z.fc_layers: {weights.path}")
    model = ForeignModel(
        package="pyroVED",
        window=window_of(dense[0][0].shape[1], window, signal=signal),
        convolutions=(),
        dense=dense,
        activation=activation,
        mean=weights.layer("encoder_z.fc11"),
        deviation=weights.layer("encoder_z.fc12"),
        softplus=True,
        invariances=invariances,
        shift_prior=shift_prior,
        scale_prior=scale_prior,
        decoder=_decoder(weights, activation),
    )
    spatial = model.decoder is not None and model.decoder.coordinates is not None
    check_latents(weights, model, f"decoder.{'coord_latent.fc_latent' if spatial else 'fc_layers.0'}.weight")
    return model


def _decoder(weights: Weights, activation: str) -> ForeignDecoder | None:
    if not weights.has("decoder."):
        return None
    spatial = weights.has("decoder.coord_latent")
    return ForeignDecoder(
        coordinates=weights.layer("decoder.coord_latent.fc_coord") if spatial else None,
        content=weights.tensors["decoder.coord_latent.fc_latent.weight"] if spatial else None,
        dense=weights.layers("decoder.fc_layers"),
        activation=activation,
        out=weights.layer("decoder.out"),
        sigmoid=True,
    )
