"""What it costs that features turn with the lattice: a network with a turn beside the same without, in pairs.

    python benchmarks/speed/turn_cost.py [ROUNDS]

CPU time of one frame of 512 x 512 px, from pixels to latents, one thread.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from random_models import random_weights, write_random_model

from shiftvae_rt import ModelFile, _core
from shiftvae_rt.benchmark import lattice_frame
from shiftvae_rt.encode.routes import DenseRoute, GraphRoute

STRIDES = (1, 2, 4, 8)


def in_pairs(jobs: list[Callable[[], object]], rounds: int) -> tuple[float, float, float]:
    """Least milliseconds of both jobs, and the median of the ratio of neighbouring runs."""
    seconds = np.zeros((rounds, 2))
    for number in range(-1, rounds):  # the first round is not counted
        for index in (0, 1) if number % 2 else (1, 0):
            start = time.process_time()
            jobs[index]()
            seconds[number, index] = time.process_time() - start
    least = seconds.min(axis=0) * 1e3
    return float(least[0]), float(least[1]), float(np.median(seconds[:, 1] / seconds[:, 0]))


def main(rounds: int) -> None:
    """Print a line for each stride, of the C++ kernels and of the graph in onnxruntime."""
    frame, centre = lattice_frame(), np.zeros(1)
    with tempfile.TemporaryDirectory() as folder:
        models = [
            ModelFile.read(
                write_random_model(Path(folder) / f"{turns}.svae", random_weights("convolutional", turns=turns))
            )
            for turns in (False, True)
        ]
        print(f"{_core.isa():>6} {'stride':>6} {'plain ms':>9} {'turned ms':>10} {'ratio':>6}")
        for stride in STRIDES:
            for name, route_of in (("C++", DenseRoute), ("graph", partial(GraphRoute, provider="onnxruntime"))):
                jobs = [partial(route_of(model, stride).encode, frame, centre) for model in models]
                plain, turned, ratio = in_pairs(jobs, rounds)
                print(f"{name:>6} {stride:6} {plain:9.2f} {turned:10.2f} {ratio:6.3f}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
