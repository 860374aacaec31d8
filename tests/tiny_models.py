"""Model files with random weights, made without torch: doubles for everything behind the runtime's door."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from shiftvae_rt.encode.onnx_graph import run_graph
from shiftvae_rt.kernels.frame_scaling import frame_centre
from shiftvae_rt.model.manifest import (
    DataSource,
    Domain,
    Grain,
    Intensity,
    Latent,
    Manifest,
    Training,
)
from shiftvae_rt.model.model_file import Golden, write_model_file
from shiftvae_training.graphs.encoder_graph import encoder_graph
from shiftvae_training.graphs.graph_builder import GraphBuilder
from shiftvae_training.graphs.runtime_graphs import runtime_graphs
from shiftvae_training.model.encoder_weights import EncoderWeights, StemLayer, Turn

STRIDES = (1, 2, 4, 8)


def tiny_weights(
    *,
    dimensions: int = 2,
    channels: int = 1,
    orders: int = 0,
    seed: int = 0,
    grains: int = 1,
    turning: bool = False,
) -> EncoderWeights:
    """A random convolutional encoder: window 16 px, period 10 px, two content latents, and this many order latents.

    With `turning` its 16 complex features turn with the lattice.
    """
    rng = np.random.default_rng(seed)
    stem, before = [], channels
    for size, dilation, width in ((4, 1, 16), (3, 2, 32), (3, 4, 32)):
        kernel = rng.normal(size=(width, before, 1 if dimensions == 1 else size, size)) / np.sqrt(before * size)
        if before == channels:
            kernel -= kernel.mean((2, 3), keepdims=True)
        stem.append(StemLayer(kernel.astype(np.float32), dilation))
        before = width
    raw = 3 * dimensions + 3 * orders + 4 + (grains + 1 if grains > 1 else 0)
    turns = np.radians(17.0) * np.arange(grains)
    cells = 10 * np.stack([np.stack([np.cos(turns), np.sin(turns)]), np.stack([-np.sin(turns), np.cos(turns)])])
    head = [(rng.normal(size=(o, i)) / np.sqrt(i), rng.normal(size=o)) for o, i in ((32, before), (raw, 32))]
    return EncoderWeights(
        window=(1, 16) if dimensions == 1 else (16, 16),
        stem=tuple(stem),
        stem_relu=not turning,
        stem_bias=None,
        head=tuple((w.astype(np.float32), b.astype(np.float32)) for w, b in head),
        lattice=np.array([[0.0, 10.0]]) if dimensions == 1 else np.array([[10.0, 0.0], [0.0, 10.0]]),
        planar_prior_px=0.0,
        content=2,
        anchor=np.zeros(2),
        anchor_slope=np.zeros((2, 2)),
        channel_scale=(1.0,) * channels,
        sd_floor=1e-3,
        cells=cells.transpose(2, 0, 1) if grains > 1 else None,
        orders=orders,
        turn=tiny_turn(dimensions) if turning else None,
    )


def tiny_turn(bases: int, *, features: int = 16, most: int = 3) -> Turn:
    """Random powers of -most to most."""
    rng = np.random.default_rng(3)
    orders, phases = (rng.integers(-most, most + 1, (count, bases)) for count in (features, bases))
    orders[:bases] = np.eye(bases, dtype=np.int64)
    return Turn(orders, phases)


def tiny_decoder(weights: EncoderWeights) -> bytes:
    """A linear decoder with random weights."""
    latents, shape = weights.reported, (len(weights.channel_scale), *weights.window)
    build = GraphBuilder()
    matrix = build.constant(np.random.default_rng(2).normal(size=(latents, int(np.prod(shape)))))
    flat = build.node("MatMul", "latents", matrix)
    build.node("Reshape", flat, build.constant([-1, *shape], np.int64), output="windows")
    return build.serialise("decoder", {"latents": ["N", latents]}, {"windows": ["N", *shape]})


def tiny_domain(weights: EncoderWeights, **changes: object) -> Domain:
    """Wide limits: whatever a random encoder says of whatever frame is in domain."""
    axes = weights.dimensions
    featured = weights.reported - (weights.cells is not None)  # the label of a grain is no feature
    size = 2 * featured - axes + axes * len(weights.lattice)
    fields: dict[str, object] = {
        "centre": (0.0,) * size,
        "whitening": tuple(map(tuple, (0.01 * np.eye(size)).tolist())),
        "most_windows_out": 0.5,
        "strain": ((0.0,) * axes,) * axes,
        "most_strain": 10.0,
        "structure": 0.0,
        "most_structure": 1000.0,
    }
    return Domain(**{**fields, **changes})  # type: ignore[arg-type]


def tiny_manifest(weights: EncoderWeights, **changes: object) -> Manifest:
    """A manifest that fits `tiny_weights`."""
    shift = ("dx",) if weights.dimensions == 1 else ("dy", "dx")
    latents = [Latent(name=n, unit="px", kind="shift", kl_nats=2.0, spread=3.0) for n in shift]
    grains: tuple[Grain, ...] = ()
    if weights.cells is not None:
        latents.append(Latent(name="grain", unit="", kind="grain", kl_nats=0.7, spread=0.5))
        cells = [tuple(map(tuple, cell)) for cell in weights.cells.tolist()]
        grains = tuple(Grain(vectors=v, turn_deg=17.0 * i, mirrored=False, share=0.5) for i, v in enumerate(cells))
    latents += [
        Latent(name=f"w{i + 1}{part}", unit="", kind="order", kl_nats=1.0, spread=0.5)
        for i in range(weights.orders)
        for part in ("re", "im")
    ]
    latents += [
        Latent(name=f"z{i + 1}", unit="", kind="content", kl_nats=1.0, spread=0.5) for i in range(weights.content)
    ]
    fields: dict[str, object] = {
        "format": "shiftvae-model-3",
        "dimensions": weights.dimensions,
        "channels": len(weights.channel_scale),
        "window": weights.window,
        "strides": STRIDES,
        "encoder": "convolutional",
        "latents": tuple(latents),
        "lattice": tuple((float(v[0]), float(v[1])) for v in weights.lattice),
        "grains": grains,
        "superlattice": ((0.5, 0.0), (0.0, 1 / 3))[: weights.orders],
        "intensity": Intensity(
            normalisation="zscore",
            channel_offset=(0.0,) * len(weights.channel_scale),
            channel_scale=weights.channel_scale,
            sd_floor=weights.sd_floor,
        ),
        "pixel_size_nm": (0.02, 0.02),
        "training": Training(
            seed=0,
            seconds=0.0,
            steps=0,
            windows=0,
            held_out_loss=0.0,
            noise_sd=1.0,
            shift_prior="uniform over the cell",
            constraints={},
            period_confidence=1.0,
            period_reason="made up",
            window_mean=(0.0, 100.0),
            window_sd=(0.0, 100.0),
        ),
        "imported": None,
        "data": (DataSource(name="none", sha256="", frames=0, shape=(0, 0), dtype="uint16"),),
        "versions": {},
        "git_commit": "",
        "created": "2026-01-01T00:00:00Z",
        "members": {},
        "domain": tiny_domain(weights),
    }
    return Manifest(**{**fields, **changes})  # type: ignore[arg-type]


def tiny_members(weights: EncoderWeights) -> dict[str, bytes]:
    """All members of a model file but its manifest."""
    graphs = {stride: encoder_graph(weights, stride) for stride in STRIDES}
    shape = (len(weights.channel_scale), 1 if weights.dimensions == 1 else 40, 48)
    frame = np.random.default_rng(1).poisson(100, size=shape).astype(np.uint16)
    centred = (frame - frame_centre(frame.astype(np.float64), weights.window)[:, None, None]).astype(np.float32)[None]
    outputs = {stride: run_graph(graph, {"frame": centred}) for stride, graph in graphs.items()}
    golden = Golden(frame, {s: o[0][0] for s, o in outputs.items()}, {s: o[1][0] for s, o in outputs.items()})
    members = {f"encoder_s{stride}.onnx": graph for stride, graph in graphs.items()}
    members |= runtime_graphs(weights, STRIDES)
    return members | {"decoder.onnx": tiny_decoder(weights), "golden.npz": golden.to_npz()}


def write_tiny_model(path: Path, **options: int) -> Path:
    """Write a model file with random weights to `path`; options as for `tiny_weights`."""
    weights = tiny_weights(**options)
    write_model_file(path, tiny_manifest(weights), tiny_members(weights))
    return path
