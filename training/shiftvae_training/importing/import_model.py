"""Conversion of a foreign model to a model file: graphs, test vectors, manifest, checked against torch."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from shiftvae_rt.array_types import Float64
from shiftvae_rt.encode.onnx_graph import run_graph
from shiftvae_rt.errors import FrameError, TrainingError
from shiftvae_rt.kernels.window_grid import WindowGrid
from shiftvae_rt.model.manifest import Imported, Intensity, Latent, Manifest
from shiftvae_rt.model.model_file import Golden, write_model_file

from ..export import STRIDES, made_by
from ..golden import golden_frames
from ..scans import Scans
from .decoder import decoder_graph
from .foreign import ForeignModel
from .graphs import frame_graph, window_graphs
from .scaling import Scaling

__all__ = ["ImportSummary", "import_model"]

Kind = Literal["shift", "rotation", "scale", "content"]
KINDS: dict[str, tuple[Kind, str]] = {
    "dy": ("shift", "px"),
    "dx": ("shift", "px"),
    "phi": ("rotation", "deg"),
    "scale": ("scale", "%"),
}
#: Largest difference between the graphs and the foreign model in torch, in units of a latent's prior deviation.
TOLERANCE = 1e-5
COMPARED_STRIDE = 4
#: Number of windows per frame, and of frames, on which spread and information are measured.
MOST_WINDOWS, MOST_FRAMES = 1024, 4


@dataclass(frozen=True)
class ImportSummary:
    """Summary of an import; ``parity`` is the largest difference from torch, in units of a latent's prior deviation."""

    imported: Imported
    latents: tuple[Latent, ...]
    parity: float


def import_model(
    path: str | os.PathLike[str], model: ForeignModel, weights: Path, scans: Scans, scaling: Scaling
) -> ImportSummary:
    """Write `model` as the model file `path`.

    Parameters
    ----------
    model, weights
        The network, and the file from which it was read.
    scans
        Its training data or similar scans: spread, information and test vectors come from them.
    scaling
        How its windows were scaled.

    Raises
    ------
    FrameError
        for frames of several channels or of other dimensions.
    TrainingError
        if the graphs differ from the foreign model by more than 1e-5 of a latent's prior; nothing is written then.
    """
    shape = scans.frames[0].shape
    if shape[0] != 1 or (shape[1] == 1) != (model.axes == 1):
        raise FrameError(
            f"expected {'images' if model.axes == 2 else 'signals'} of one channel, got a frame of shape {shape} "
            "(channels, height, width): give the kind of scan that the model was trained on"
        )
    scaling = scaling.settled(scans.frames)
    frame = golden_frames(scans.frames, model.window)[0]
    graphs = {stride: frame_graph(model, scaling.intensity, stride) for stride in STRIDES}
    raw = {"frame": frame[None].astype(np.float32)}
    outputs = {stride: run_graph(graph, raw) for stride, graph in graphs.items()}
    golden = Golden(frame, {s: o[0][0] for s, o in outputs.items()}, {s: o[1][0] for s, o in outputs.items()})
    members = {f"encoder_s{stride}.onnx": graph for stride, graph in graphs.items()}
    members |= window_graphs(model) | {"golden.npz": golden.to_npz()}
    if (decoder := decoder_graph(model)) is not None:
        members["decoder.onnx"] = decoder
    parity = _compare(model, scaling, golden, members)
    if not parity <= TOLERANCE:  # also catches NaN
        raise TrainingError(
            f"expected graphs within {TOLERANCE:g} of a latent's prior of the {model.package} model, got {parity:.2g}; "
            "nothing was written: check --scaling, because values far from 0..1 lose digits"
        )
    imported = Imported(
        package=model.package,
        weights=weights.name,
        sha256=hashlib.sha256(weights.read_bytes()).hexdigest(),
        network=model.description,
        priors=model.priors,
        scaling=scaling.in_words,
    )
    latents = _latents(model, scans, scaling)
    write_model_file(path, _manifest(model, latents, imported, scans, scaling.intensity), members)
    return ImportSummary(imported, latents, parity)


def _compare(model: ForeignModel, scaling: Scaling, golden: Golden, members: dict[str, bytes]) -> float:
    """Largest difference of the graphs from torch, in units of a latent's prior deviation."""
    windows = _windows(golden.frame, scaling, model.window, COMPARED_STRIDE)
    with torch.no_grad():
        target = torch.stack(model.report(*model.encode(torch.from_numpy(windows))))
    flat = windows.reshape(len(windows), -1).astype(np.float32)
    if "windows.onnx" in members:
        found = run_graph(members["windows.onnx"], {"windows": flat})
    else:
        (products,) = run_graph(members["filters.onnx"], {"windows": flat})
        found = run_graph(members["features.onnx"], {"products": products})
    single = np.stack(found).swapaxes(1, 2)
    dense = np.stack([golden.mean[COMPARED_STRIDE], golden.std[COMPARED_STRIDE]])
    dense = dense.reshape(2, len(model.names), -1).swapaxes(1, 2)
    unit = np.asarray(model.prior_sd)
    return max(float(np.abs((found - target.numpy()) / unit).max()) for found in (single, dense))


def _windows(frame: NDArray[Any], scaling: Scaling, window: tuple[int, int], stride: int) -> Float64:
    """Scaled windows ``(n, h, w)``, row by row, float64."""
    views = np.lib.stride_tricks.sliding_window_view(frame[0].astype(np.float64), window)
    return scaling.apply(views[::stride, ::stride].reshape(-1, *window))


def _manifest(
    model: ForeignModel, latents: tuple[Latent, ...], imported: Imported, scans: Scans, intensity: Intensity
) -> Manifest:
    return Manifest(
        format="shiftvae-model-3",
        dimensions=1 if model.axes == 1 else 2,
        channels=1,
        window=model.window,
        strides=STRIDES,
        encoder="imported",
        latents=latents,
        lattice=(),
        grains=(),
        superlattice=(),
        intensity=intensity,
        pixel_size_nm=scans.pixel_size_nm,
        training=None,
        imported=imported,
        domain=None,
        data=scans.sources,
        members={},
        **made_by(),
    )


def _latents(model: ForeignModel, scans: Scans, scaling: Scaling) -> tuple[Latent, ...]:
    spread, information = _statistics(model, scans, scaling)
    found = []
    for name, s, nats in zip(model.names, spread, information, strict=True):
        kind, unit = KINDS.get(name, ("content", ""))
        found.append(Latent(name=name, unit=unit, kind=kind, kl_nats=nats, spread=s))
    return tuple(found)


def _statistics(model: ForeignModel, scans: Scans, scaling: Scaling) -> tuple[list[float], list[float]]:
    """Spread of each latent over windows of the scans, and its information in nats, in the order of `names`."""
    means, nats = [], []
    for frame in scans.frames[:: -(-len(scans.frames) // MOST_FRAMES)]:
        all_of_them = WindowGrid((frame.shape[1], frame.shape[2]), model.window, 1)
        stride = max(1, round((all_of_them.rows * all_of_them.cols / MOST_WINDOWS) ** (1 / model.axes)))
        with torch.no_grad():
            mean, std = model.encode(torch.from_numpy(_windows(frame, scaling, model.window, stride)))
            means.append(model.report(mean, std)[0])
        nats.append(0.5 * (mean.square() + std.square() - 1 - 2 * std.log()))
    information = model.reorder(torch.cat(nats).mean(0, keepdim=True))[0]
    return torch.cat(means).std(0).tolist(), information.tolist()
