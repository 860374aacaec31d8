"""Frames that come line by line: how long after its last line a row of the map is there, and what it costs in all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from encoders import CONVOLUTIONAL, MLP
from random_models import mapper_of

from shiftvae_rt import LatentMapper
from shiftvae_rt.benchmark import lattice_frame, row_latencies, take_turns

FAMILIES = {"convolutional": CONVOLUTIONAL, "mlp": MLP}


def measure_rows(folder: Path, rounds: int) -> list[dict[str, Any]]:
    """Stride 1 (a row of the map for every line) and 4; one thread."""
    frame, results = lattice_frame()[0], []
    for name, stride in ((name, stride) for name in FAMILIES for stride in (1, 4)):
        mapper = mapper_of(FAMILIES[name], folder, stride)
        latency = np.concatenate([row_latencies(mapper, frame[None]) for _ in range(max(2, rounds // 2))]) * 1e3
        jobs = {"whole": lambda m=mapper: m.map(frame)} | {
            f"rows_{n}": lambda m=mapper, n=n * stride: scan(m, frame, n) for n in (1, 8, 32)
        }
        times = take_turns(jobs, rounds)
        same = np.array_equal(scan(mapper, frame, stride), mapper.map(frame).mean)
        results.append(
            {
                "encoder": name,
                "stride": stride,
                "latency_median_ms": float(np.median(latency)),
                "latency_p99_ms": float(np.quantile(latency, 0.99)),
                **times,
                "at_8_rows": times["rows_8"] / times["whole"],
                "bit_identical": same,
            }
        )
    return results


def scan(mapper: LatentMapper, frame: Any, lines: int) -> Any:
    """The whole frame, `lines` at a time."""
    running = mapper.begin_scan(frame.shape, dtype=frame.dtype)
    for top in range(0, len(frame), lines):
        running.push_rows(frame[top : top + lines])
    return running.result().mean
