"""The dense encoder against the same network window by window in float64."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from encoders import MLP
from numpy.typing import NDArray
from random_models import mapper_of

from shiftvae_rt import LatentMapper
from shiftvae_rt.benchmark import lattice_frame, take_turns
from shiftvae_rt.encode.modulo import modulo_lattice
from shiftvae_rt.frame import as_pixels
from shiftvae_rt.kernels.filter_bank import FilterBank
from shiftvae_rt.kernels.windows import extract_windows
from shiftvae_rt.simulator import Microscope
from shiftvae_training.export import export_model
from shiftvae_training.fitting.settings import Settings
from shiftvae_training.model.encoder import TurnedFeatures
from shiftvae_training.model.encoder_weights import EncoderWeights
from shiftvae_training.train import train


def measure_exactness(folder: Path, rounds: int) -> list[dict[str, Any]]:
    """Largest difference in units of a latent's deviation over the frame, at 2000 windows, stride 1.

    The scan is the standard one, and `convolutional` is trained on it for a moment: the content of random weights would
    hardly differ between its windows.
    """
    microscope = Microscope(seed=0)
    normal = as_pixels(microscope.frame(0).pixels)
    faint = 3 * (normal - normal.mean()) / normal.std()
    offset = (60000 + faint).round().astype(np.uint16)
    step = 200 + faint
    step[:, :, 256:] += 59800
    frames = {"normal": normal, "offset 60000, sd 3": offset, "step 200 to 60000, sd 3": step.round().astype(np.uint16)}
    results = []
    trained, path = train([normal], Settings(steps=300)), folder / "trained.svae"
    export_model(path, trained, [normal], sources=(), pixel_size_nm=microscope.pixel_size_nm)
    models = {
        "convolutional": (trained.model.weights(), LatentMapper(path, stride=1)),
        "mlp": (MLP, mapper_of(MLP, folder, 1)),
    }
    for name, (weights, mapper) in models.items():
        times = take_turns({key: lambda m=mapper, f=frame: m.map(f[0]) for key, frame in frames.items()}, rounds)
        for key, frame in frames.items():
            results.append(
                {
                    "encoder": name,
                    "frame": key,
                    "error": largest_error(weights, frame, mapper.map(frame[0]).mean),
                    "time_against_normal": times[key] / times["normal"],
                }
            )
    return results


def measure_first_layer(rounds: int) -> list[dict[str, Any]]:
    """The mlp's first layer: from spectra of lines, and as a product for each window in float32.

    CPU milliseconds of the spectra, and errors against float64 in units of the products' deviation, at 3600 windows.
    Steps beside windows of deviation 3: nearly as large as float32 is used for, and larger.
    """
    filters, rng, results = MLP.stem[0].weight, np.random.default_rng(0), []
    flat = filters.reshape(len(filters), -1).T
    noise, side = rng.normal(200, 3, (1, 512, 512)), (np.arange(512) // 97 % 2)[None, None, :]
    frames = {"normal": lattice_frame(), "steps of 20": noise + 20 * side, "steps of 30": noise + 30 * side}
    for name, frame in frames.items():
        pixels = frame.round().astype(np.uint16)
        windows = extract_windows(pixels, (32, 32), 8, normalisation="zscore")[:60, :60].reshape(3600, -1)
        exact = windows.astype(np.float64) @ flat.astype(np.float64)
        for stride in (1, 2, 4, 8):
            bank = FilterBank(filters, stride, normalisation="zscore")
            places = (pixels.shape[1] - 32) // stride + 1
            out = np.empty((places, places, len(filters)), np.float32)
            times = take_turns({"ms": lambda b=bank, p=pixels, o=out: b.apply(p, np.zeros(1), o)}, rounds)
            found = out[:: 8 // stride, :: 8 // stride][:60, :60].reshape(3600, -1)
            errors = {"spectra": found - exact, "product": windows @ flat - exact}
            results.append(
                {"frame": name, "stride": stride, **times}
                | {f"{key}_rms": float(np.sqrt(np.mean(e**2)) / exact.std()) for key, e in errors.items()}
                | {f"{key}_largest": float(np.abs(e).max() / exact.std()) for key, e in errors.items()}
            )
    return results


def largest_error(weights: EncoderWeights, frame: NDArray[Any], mean: NDArray[np.float32]) -> float:
    """Largest difference from float64 over random windows; shifts modulo the lattice."""
    rng = np.random.default_rng(1)
    places = rng.integers(0, mean.shape[1:], size=(2000, 2))
    windows = np.stack([frame[:, y : y + 32, x : x + 32] for y, x in places]).astype(np.float64)
    windows -= windows.mean(axis=(2, 3), keepdims=True)
    windows /= np.maximum(windows.std(axis=(1, 2, 3), keepdims=True), weights.sd_floor / weights.channel_scale[0])
    off = mean[:, places[:, 0], places[:, 1]] - latents_in_float64(weights, windows)
    off[:2] = modulo_lattice(off[:2], weights.lattice)
    spread = mean.reshape(len(mean), -1).std(axis=1, dtype=np.float64)
    return float(np.max(np.abs(off) / spread[:, None]))


def latents_in_float64(weights: EncoderWeights, windows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means ``(L, N)`` of normalised windows ``(N, C, 32, 32)``; the shift not yet in its cell."""
    x = torch.from_numpy(windows)
    for layer in weights.stem:
        x = torch.nn.functional.conv2d(x, torch.from_numpy(layer.weight).double(), dilation=layer.dilation)
        x = torch.relu(x) if weights.stem_relu else x
    x = x[:, :, 0, 0]
    phases = torch.zeros(len(x), 0)
    if weights.turn is not None:
        x, phases = TurnedFeatures(weights.turn)(x)
    if weights.stem_bias is not None:
        x = torch.tanh(x + torch.from_numpy(weights.stem_bias).double())
    for index, (weight, bias) in enumerate(weights.head):
        x = torch.tanh(x) if index else x
        x = x @ torch.from_numpy(weight).double().T + torch.from_numpy(bias).double()
    cosine, sine, content = x.numpy().T[:2], x.numpy().T[2:4], x.numpy().T[6 : 6 + weights.content]
    shift = (weights.lattice.T / (2 * np.pi)) @ (np.arctan2(sine, cosine) + (phases.numpy().T if len(phases.T) else 0))
    return np.concatenate([shift + weights.anchor[:, None] + weights.anchor_slope.T @ content, content])
