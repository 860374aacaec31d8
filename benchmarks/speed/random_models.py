"""Model files with random weights: the time does not depend on them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shiftvae_rt import LatentMapper
from shiftvae_rt.benchmark import lattice_frame
from shiftvae_rt.encode.onnx_graph import run_graph
from shiftvae_rt.kernels.frame_scaling import frame_centre
from shiftvae_rt.kernels.window_grid import WindowGrid
from shiftvae_rt.kernels.windows import convert_frame
from shiftvae_rt.model.manifest import Intensity, Latent, Manifest, Training
from shiftvae_rt.model.model_file import Golden, write_model_file
from shiftvae_training.graphs.encoder_graph import encoder_graph
from shiftvae_training.graphs.graph_builder import GraphBuilder
from shiftvae_training.graphs.runtime_graphs import runtime_graphs
from shiftvae_training.model.encoder_families import ENCODERS
from shiftvae_training.model.encoder_weights import EncoderWeights, StemLayer, Turn
from shiftvae_training.start.harmonic_stem import harmonic_kernels
from shiftvae_training.start.waves import Waves

STRIDES = (1, 2, 4, 8)


#: Edge of the square cell of `lattice_frame`, px.
PERIOD = 24.0


def random_weights(
    family: str, *, channels: int = 1, seed: int = 0, waves: bool = True, turns: bool = True
) -> EncoderWeights:
    """Weights of an encoder family for a window of 32 px on the lattice of `lattice_frame`.

    The stem measures the waves of the lattice if the family does and `waves`, and its features are turned back if
    `turns`. All else is random.
    """
    rng = np.random.default_rng(seed)
    kind, turn = ENCODERS[family], None
    kernels = list[NDArray[np.float64]]()
    if kind.measures_waves and waves:
        measured = lattice_waves(channels)
        plan, turn = kind.stem(32, len(measured.measured)), measured.turn
        kernels = harmonic_kernels(plan, (32, 32), channels, measured)
    else:
        plan = kind.stem(32)
        for before, layer in zip((channels, *(layer.width for layer in plan)), plan, strict=False):
            shape = (layer.width, before, layer.size, layer.size)
            kernels.append(rng.normal(size=shape) / np.sqrt(before * layer.size**2 / 2))
        kernels[0] -= kernels[0].mean((2, 3), keepdims=True)
    stem = [StemLayer(kernel.astype(np.float32), layer.dilation) for kernel, layer in zip(kernels, plan, strict=True)]
    layers, before = [], len(kernels[-1])
    for width in (*kind.head, 10):
        layers.append((rng.normal(size=(width, before)) / np.sqrt(before), 0.5 * rng.normal(size=width)))
        before = width
    return EncoderWeights(
        window=(32, 32),
        stem=tuple(stem),
        stem_relu=kind.relu and turn is None,
        stem_bias=None if kind.relu else np.zeros(len(stem[0].weight), np.float32),
        head=tuple((w.astype(np.float32), b.astype(np.float32)) for w, b in layers),
        lattice=np.array([[PERIOD, 0.0], [0.0, PERIOD]]),
        planar_prior_px=0.0,
        content=2,
        anchor=np.zeros(2),
        anchor_slope=np.zeros((2, 2)),
        channel_scale=(0.05,) * channels,
        sd_floor=0.01,
        turn=turn if turns else None,
    )


def lattice_waves(channels: int) -> Waves:
    """The 8 coarsest waves of `lattice_frame`, whose cell is centred: its harmonics (h, k) have an even h + k.

    Training on the standard scan measures as many.
    """
    grid = [(h, k) for h in range(4) for k in range(-3, 4) if (h, k) > (0, 0)]
    orders = np.array(sorted(grid, key=lambda order: (math.hypot(*order), -order[0]))[:8])
    power = np.exp(-np.square(orders).sum(axis=1) / 2)
    turn = Turn(orders, np.eye(2, dtype=np.int64))
    channel = np.arange(8) % channels
    channel[:2] = 0
    return Waves(orders @ np.array([[1, 1], [1, -1]]) / PERIOD, channel, 0.2 * power, power, 0.1, tuple(range(8)), turn)


def write_random_model(path: Path, weights: EncoderWeights) -> Path:
    """Write the model file."""
    graphs = {stride: encoder_graph(weights, stride) for stride in STRIDES}
    frame = lattice_frame((len(weights.channel_scale), 80, 88)).astype(np.uint16)
    centred = convert_frame(frame, frame_centre(frame.astype(np.float64), weights.window))[0][None]
    outputs = {stride: run_graph(graph, {"frame": centred}) for stride, graph in graphs.items()}
    golden = Golden(frame, {s: o[0][0] for s, o in outputs.items()}, {s: o[1][0] for s, o in outputs.items()})
    build = GraphBuilder()
    build.node("Identity", "latents", output="windows")
    decoder = build.serialise("decoder", {"latents": ["N", 4]}, {"windows": ["N", 4]})
    members = {f"encoder_s{stride}.onnx": graph for stride, graph in graphs.items()}
    members |= runtime_graphs(weights, STRIDES)
    write_model_file(path, _manifest(weights), members | {"decoder.onnx": decoder, "golden.npz": golden.to_npz()})
    return path


def arithmetic(weights: EncoderWeights, stride: int, shape: tuple[int, int] = (512, 512)) -> float:
    """Floating-point operations of the convolutions of one frame: two for each multiplication."""
    operations, reach = 0, 0
    dilations = [layer.dilation for layer in weights.stem]
    for index, layer in enumerate(weights.stem):
        grid = int(np.gcd.reduce([stride, *dilations[index + 1 :]]))
        reach += (layer.weight.shape[3] - 1) * layer.dilation
        places = ((shape[0] - 1 - reach) // grid + 1) * ((shape[1] - 1 - reach) // grid + 1)
        operations += places * layer.weight.size
    grid = WindowGrid(shape, weights.window, stride)
    operations += grid.rows * grid.cols * sum(weight.size for weight, _ in weights.head)
    return 2.0 * operations


def model_of(weights: EncoderWeights, folder: Path) -> Path:
    """The model file of the weights; written on the first call."""
    widths = "-".join(str(len(layer.weight)) for layer in weights.stem) + ("" if weights.turn is None else "-turn")
    path = folder / f"{widths}-c{len(weights.channel_scale)}.svae"
    return path if path.exists() else write_random_model(path, weights)


def mapper_of(weights: EncoderWeights, folder: Path, stride: int, threads: int = 1) -> LatentMapper:
    """A mapper for the weights."""
    return LatentMapper(model_of(weights, folder), stride=stride, threads=threads)


def _manifest(weights: EncoderWeights) -> Manifest:
    latents = [Latent(name=n, unit="px", kind="shift", kl_nats=2.0, spread=3.0) for n in ("dy", "dx")]
    latents += [Latent(name=n, unit="", kind="content", kl_nats=1.0, spread=0.5) for n in ("z1", "z2")]
    training = Training(
        seed=0, seconds=0.0, steps=0, windows=0, held_out_loss=0.0, noise_sd=1.0, shift_prior="", constraints={},
        period_confidence=1.0, period_reason="", window_mean=(0.0, 1.0), window_sd=(0.0, 1.0),
    )  # fmt: skip
    return Manifest(
        format="shiftvae-model-3",
        dimensions=2,
        channels=len(weights.channel_scale),
        window=weights.window,
        strides=STRIDES,
        encoder="mlp" if len(weights.stem) == 1 else "convolutional",
        latents=tuple(latents),
        lattice=tuple((float(y), float(x)) for y, x in weights.lattice),
        superlattice=(),
        grains=(),
        intensity=Intensity(
            normalisation="zscore",
            channel_offset=(0.0,) * len(weights.channel_scale),
            channel_scale=weights.channel_scale,
            sd_floor=weights.sd_floor,
        ),
        pixel_size_nm=None,
        training=training,
        imported=None,
        domain=None,
        data=(),
        versions={},
        git_commit="",
        created="",
        members={},
    )
