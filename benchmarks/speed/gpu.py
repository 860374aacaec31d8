"""CUDA and TensorRT, where this onnxruntime and this machine have them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from encoders import CONVOLUTIONAL, MLP
from random_models import model_of

from shiftvae_rt import LatentMapper, ProviderError
from shiftvae_rt.benchmark import lattice_frame, take_turns
from shiftvae_rt.encode.modulo import modulo_lattice
from shiftvae_rt.encode.onnx_graph import available_providers


def measure_gpu(folder: Path, rounds: int) -> str | list[dict[str, Any]]:
    """Milliseconds a frame by the clock and the largest difference from the CPU; or why there are none."""
    offered = [name for name in available_providers() if name != "onnxruntime"]
    if not offered:
        return "not measured: this onnxruntime offers the CPU alone (install shiftvae-rt[gpu] on a machine with a GPU)"
    results: list[dict[str, Any]] = []
    for name, weights in (("convolutional", CONVOLUTIONAL), ("mlp", MLP)):
        for stride in (1, 4):
            path = model_of(weights, folder)
            found = [{"provider": provider, **_one(path, stride, provider, rounds)} for provider in offered]
            results += [{"encoder": name, "stride": stride, **row} for row in found]
    return results


def _one(path: Path, stride: int, provider: str, rounds: int) -> dict[str, Any]:
    try:
        mapper = LatentMapper(path, stride=stride, provider=provider)
    except ProviderError as error:
        return {"not_measured": str(error)}
    frame, cpu = lattice_frame()[0], LatentMapper(path, stride=stride)
    off = mapper.map(frame).mean.astype(np.float64) - cpu.map(frame).mean
    off[:2] = modulo_lattice(off[:2], mapper.model.manifest.lattice)
    times = take_turns({"ms": lambda: mapper.map(frame)}, 3 * rounds, clock=time.perf_counter)
    return {**times, "largest_difference": float(np.abs(off).max())}


if __name__ == "__main__":
    import json
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        print(json.dumps(measure_gpu(Path(name), 9), indent=1))
