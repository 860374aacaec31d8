"""Cost against size, stride, channels and threads, and the memory of a large frame."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from encoders import CONVOLUTIONAL, MLP
from random_models import mapper_of, model_of, random_weights

from shiftvae_rt.benchmark import lattice_frame, repeated, take_turns

HERE = Path(__file__).parent


def measure_sizes(folder: Path, rounds: int, largest: int) -> list[dict[str, Any]]:
    """Stride 4: CPU milliseconds a frame and nanoseconds a pixel."""
    mapper, sizes = mapper_of(CONVOLUTIONAL, folder, 4), [s for s in (256, 512, 1024, 2048, 4096) if s <= largest]
    frames = {size: lattice_frame((1, size, size))[0] for size in sizes}
    times = take_turns({str(size): lambda f=frame: mapper.map(f) for size, frame in frames.items()}, rounds)
    return [
        {
            "size": size,
            "ms": times[str(size)],
            "ms_spread": times[f"{size}_spread"],
            "ns_a_pixel": times[str(size)] * 1e6 / size**2,
            "against_512": times[str(size)] / times["512"],
        }
        for size in sizes
    ]


def measure_strides(folder: Path, rounds: int) -> list[dict[str, Any]]:
    """512 x 512: CPU milliseconds a frame for each stride and encoder."""
    frame, rows = lattice_frame()[0], []
    for stride in (1, 2, 4, 8, 16, 32):
        families = {"convolutional": CONVOLUTIONAL, "mlp": MLP}
        mappers = {name: mapper_of(weights, folder, stride) for name, weights in families.items()}
        times = take_turns({name: lambda m=mapper: m.map(frame) for name, mapper in mappers.items()}, rounds)
        rows.append({"stride": stride, **times, "route": mappers["convolutional"].route.description.split(":")[0]})
    return rows


def measure_channels(folder: Path, rounds: int) -> list[dict[str, Any]]:
    """512 x 512, stride 4: CPU milliseconds a frame."""
    rows = []
    for channels in (1, 2, 4, 8):
        weights = random_weights("convolutional", channels=channels)
        mapper, frame = mapper_of(weights, folder, 4), lattice_frame((channels, 512, 512))
        rows.append({"channels": channels, **take_turns({"ms": lambda m=mapper, f=frame: m.map(f)}, rounds)})
    return rows


def measure_threads(folder: Path, rounds: int) -> list[dict[str, Any]]:
    """One and two threads by the clock, some frames in a row each: other programs on the second core show here."""
    frame, rows = lattice_frame()[0], []
    for name, weights in (("convolutional", CONVOLUTIONAL), ("mlp", MLP)):
        for stride in (1, 2, 4):
            mappers = {n: mapper_of(weights, folder, stride, threads=n) for n in (1, 2)}
            jobs = {f"threads_{n}": repeated(lambda m=mapper: m.map(frame), 0.1) for n, mapper in mappers.items()}
            times = take_turns({n: job for n, (job, _) in jobs.items()}, 2 * rounds, clock=time.perf_counter)
            found = {n: times[n] / count for n, (_, count) in jobs.items()}
            gain = found["threads_1"] / found["threads_2"]
            rows.append({"encoder": name, "stride": stride, **found, "gain": gain})
    return rows


def measure_memory(folder: Path, sizes: tuple[int, ...] = (512, 2048, 4096)) -> list[dict[str, Any]]:
    """Peak memory of a process that maps one frame at stride 4, MB, and what it takes before the frame."""
    path, rows = model_of(CONVOLUTIONAL, folder), []
    for size in sizes:
        command = [sys.executable, str(HERE / "peak_memory.py"), str(path), str(size), "4"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        rows.append({"size": size, **json.loads(done.stdout)})
    return rows
