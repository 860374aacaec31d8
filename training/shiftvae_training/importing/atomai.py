"""Reader of AtomAI's VAE and rVAE, from the file that their `save_weights` writes (version 0.8).

Only the encoder is imported: the file does not say whether a sigmoid follows the decoder, which depends on the loss.
"""

from __future__ import annotations

from shiftvae_rt.errors import ModelFileError

from .foreign import ForeignModel
from .weights import Weights, check_latents, window_of

__all__ = ["read_atomai"]


def read_atomai(
    weights: Weights, *, window: int | None, signal: bool, invariances: str, shift_prior: float
) -> ForeignModel:
    """Read an AtomAI model.

    Parameters
    ----------
    weights
        The file's tensors.
    window, signal, invariances, shift_prior
        What the file does not say, as it was given to ``VAE`` or ``rVAE`` and their `fit`; see `ForeignModel`.

    Raises
    ------
    ModelFileError, WindowError
        if the file holds another kind of model, or one that does not fit the description.
    """
    if weights.has("encoder.fc13"):
        raise ModelFileError(f"expected an AtomAI VAE or rVAE, got a model with classes in {weights.path}")
    if invariances not in ("", "r", "rt"):
        raise ModelFileError(f"expected --invariances rt or r for an AtomAI rVAE, none for a VAE, got {invariances}")
    dense, convolutions = weights.layers("encoder.dense"), weights.layers("encoder.conv.block")
    if not dense and not convolutions:
        raise ModelFileError(f"expected an AtomAI VAE, got no encoder.dense or encoder.conv in {weights.path}")
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
            f"expected a model of 1 channel, got {convolutions[0][0].shape[1]} channels in {weights.path}"
        )
    check_latents(
        weights, model, "decoder.coord_latent.fc_latent.weight" if invariances else "decoder.decoder.0.weight"
    )
    return model
