"""Latent maps on a GPU: agreement with the CPU, and times, for several frame sizes and strides.

    python benchmarks/speed/gpu.py --json benchmarks/results/gpu-NAME.json

A model file with random weights (the time does not depend on them); raw uint16 frame in host memory to latent map in
host memory, wall clock, medians after 3 warm-up runs. Says "not measured" where onnxruntime offers no CUDA.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from random_models import random_weights, write_random_model
from timing import describe_machine

from shiftvae_rt import LatentMapper
from shiftvae_rt.errors import ProviderError
from shiftvae_rt.mapper import modulo_lattice

FAMILIES = {"dilated": ((16, 32, 32, 64), (64,)), "mlp": ((128,), (128,))}
SIZES = (512, 1024, 2048, 4096)
STRIDES = (1, 2, 4, 8)


def wall_ms(mapper: LatentMapper, frame: np.ndarray, rounds: int) -> tuple[float, float]:
    """Median and half the interquartile range of one `map`, ms."""
    times = []
    for index in range(rounds + 3):
        start = time.perf_counter()
        mapper.map(frame)
        if index >= 3:
            times.append((time.perf_counter() - start) * 1e3)
    low, middle, high = np.quantile(times, [0.25, 0.5, 0.75])
    return float(middle), float(high - low) / 2


def compare(path: Path, family: str, provider: str, threads: int) -> list[dict[str, Any]]:
    """Rows of the table for one encoder family."""
    rows = []
    rng = np.random.default_rng(0)
    for size in SIZES:
        frame = rng.poisson(100, (size, size)).astype(np.uint16)
        for stride in STRIDES:
            if size // stride > 1024:  # maps of more than a million windows are not what anybody shows live
                continue
            rounds = 20 if size <= 1024 else 6
            cpu = LatentMapper(path, stride=stride, threads=threads)
            gpu = LatentMapper(path, stride=stride, provider=provider)
            here, there = cpu.map(frame), gpu.map(frame)
            off = (here.mean - there.mean).astype(float)
            off[:2] = modulo_lattice(off[:2], cpu.model.manifest.lattice)
            spread = here.mean.reshape(len(here.names), -1).std(axis=1)
            gpu_ms, gpu_spread = wall_ms(gpu, frame, rounds)
            cpu_ms, _ = wall_ms(cpu, frame, max(3, rounds // 3))
            rows.append(
                {
                    "encoder": family,
                    "size_px": size,
                    "stride": stride,
                    f"{provider}_ms": round(gpu_ms, 2),
                    "spread_ms": round(gpu_spread, 2),
                    f"cpu_{threads}_threads_ms": round(cpu_ms, 2),
                    "largest_difference": float(np.max(np.abs(off) / spread[:, None, None])),
                    "typical_difference": float(np.median(np.abs(off) / spread[:, None, None])),
                }
            )
            cells = (f"{v:.2g}" if isinstance(v, float) else str(v) for v in rows[-1].values())
            print("| " + " | ".join(cells) + " |", flush=True)
    return rows


def gpu_name() -> str:
    """As the driver says it."""
    command = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--provider", choices=("cuda", "tensorrt"), default="cuda")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU runs")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = {f: write_random_model(Path(folder) / f"{f}.svae", random_weights(*w)) for f, w in FAMILIES.items()}
        try:
            LatentMapper(paths["dilated"], provider=arguments.provider)
        except ProviderError as error:
            print(f"not measured: {error}")
            return 0
        print("| encoder | size px | stride | ms | spread | CPU ms | largest difference | typical |")
        print("|---|---|---|---|---|---|---|---|")
        rows = [row for f, path in paths.items() for row in compare(path, f, arguments.provider, arguments.threads)]
    if arguments.json:
        machine = describe_machine() | {"gpu": gpu_name()}
        arguments.json.write_text(json.dumps({"machine": machine, "rows": rows}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
