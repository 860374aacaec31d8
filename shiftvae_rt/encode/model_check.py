"""The self-test of a model: its own test frame, whole and in parts, must give the map that the file holds of it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..array_types import Float32
from ..errors import ModelFileError
from ..latent_map import LatentMap
from ..model.manifest import Manifest
from ..model.model_file import ModelFile
from .modulo import Latents, difference
from .scan_mapper import ScanMapper

__all__ = ["check_model"]

#: Largest error of the model's test frame, in units of a latent's spread (other processors round differently).
GOLDEN_TOLERANCE = 1e-3


def check_model(model: ModelFile, begin: Callable[[], ScanMapper], stride: int, *, exact: bool) -> None:
    """Encode the model's own test frame: a broken onnxruntime or graph shows here, not on a sample.

    Parameters
    ----------
    model
        Has the test frame and its maps.
    begin
        Starts the encoding of the test frame.
    stride
        px between windows of the encoding; a multiple of one of the model's strides.
    exact
        Whether parts of the frame must equal the whole to the bit.

    Raises
    ------
    ModelFileError
        with the size of the error, in units of a latent's spread.
    """
    golden = model.golden
    base = max(s for s in model.manifest.strides if stride % s == 0)
    step = stride // base
    wanted_mean, wanted_std = (a[:, ::step, ::step] for a in (golden.mean[base], golden.std[base]))
    scan = begin()
    scan.push_pixels(golden.frame)
    whole = scan.result()
    if whole.mean.shape != wanted_mean.shape or whole.std.shape != wanted_std.shape:
        raise ModelFileError(
            f"{model.path}: its encoder gives shape {whole.mean.shape}, its test vectors have {wanted_mean.shape}: "
            "export the model again"
        )
    error = _error(model.manifest, whole, wanted_mean, wanted_std)
    if not error <= GOLDEN_TOLERANCE:  # also catches NaN
        raise ModelFileError(
            f"{model.path}: its test frame comes out wrong by {error:.2g} of a latent's spread: the file or "
            "this onnxruntime is broken: export the model again, or update onnxruntime"
        )
    found = _in_parts(begin(), golden.frame)
    same = np.array_equal(found.mean, whole.mean) and np.array_equal(found.std, whole.std)
    error = 0.0 if same else _error(model.manifest, found, whole.mean, whole.std)
    if not same and (exact or not error <= GOLDEN_TOLERANCE):
        raise ModelFileError(
            f"{model.path}: its test frame comes out differently in parts, by {error:.2g} of a latent's "
            "spread: update onnxruntime, or report this"
        )


def _in_parts(scan: ScanMapper, pixels: NDArray[Any]) -> LatentMap:
    """Encode ``pixels (C, H, W)`` in parts, the last a single line."""
    lines = pixels.shape[1]
    for first, last in pairwise(sorted({0, lines - lines // 4, max(lines - 1, 1), lines})):
        scan.push_pixels(pixels[:, first:last])
    return scan.result()


def _error(manifest: Manifest, found: LatentMap, mean: Float32, std: Float32) -> float:
    """Give the largest difference of a map from ``mean, std (L, rows, cols)``, in units of a latent's spread."""
    off, off_std = difference((found.mean, found.std), (mean, std), Latents.of(manifest))
    spread = np.maximum([latent.spread for latent in manifest.latents], std.mean(axis=(1, 2)))
    return float(np.max(np.abs([off, off_std]) / spread[:, None, None]))
