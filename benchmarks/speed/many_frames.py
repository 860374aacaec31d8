"""Training on long movies: anonymous memory a frame, and CPU time a step.

    python benchmarks/speed/many_frames.py [--frames 10 100 1000] [--steps 60] [--formats .zarr .h5 .tif .npy]

Movies of 512 x 512 px (uint16, chunks of four frames, compressed) are trained on as by `shiftvae train`, each in a
process of its own, up to the finished model; export and report look at the sample that is in memory. `peak_mb` is the
largest anonymous memory; `slope_mb` its growth from the shortest to the longest movie, MB a frame; `step_ratio` the CPU
time of a step after those that the first guess guides, over that without the frames that are read for it, which does
not depend on what else the machine does; `read_s` the CPU time of the first reading of all frames.
Targets: slope at most 1 MB a frame, ratio at most 1.3.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # before numpy and torch read it

import h5py  # noqa: E402 - after the number of threads is set
import numpy as np  # noqa: E402
import tifffile  # noqa: E402
import zarr  # noqa: E402

from shiftvae_rt.benchmark import describe_machine  # noqa: E402
from shiftvae_rt.simulator import Crystal, Microscope  # noqa: E402

RESULTS = Path(__file__).parents[1] / "results" / "many-frames.json"
SIDE, CHUNK = 512, 4
#: Different scenes of a movie; every frame shows one of them, moved by a random number of pixels.
SCENES = 8


def write_film(path: Path, count: int) -> None:
    """Write a movie in the format of the ending, four frames at a time."""
    microscope = Microscope(Crystal(), shape=(SIDE, SIDE), dose=3.0)
    scenes = [microscope.frame(number).pixels for number in range(SCENES)]
    random = np.random.default_rng(0)
    shape, chunks = (count, SIDE, SIDE), (CHUNK, SIDE, SIDE)
    with ExitStack() as stack:
        write: Callable[[int, np.ndarray], None]
        if path.suffix == ".tif":
            pages = stack.enter_context(tifffile.TiffWriter(path))

            def write(_: int, some: np.ndarray) -> None:
                for frame in some:
                    pages.write(frame, compression="zlib", contiguous=False, metadata=None)

        else:
            if path.suffix == ".npy":
                array = np.lib.format.open_memmap(path, "w+", np.uint16, shape)
            elif path.suffix == ".h5":
                file = stack.enter_context(h5py.File(path, "w"))
                array = file.create_dataset("movie", shape, "u2", chunks=chunks, compression=1)
            else:
                array = zarr.create_array(str(path), shape=shape, dtype="u2", chunks=chunks)

            def write(first: int, some: np.ndarray) -> None:
                array[first : first + len(some)] = some

        for first in range(0, count, CHUNK):
            moves = random.integers(SIDE, size=(min(CHUNK, count - first), 2))
            numbers = range(first, first + len(moves))
            write(
                first, np.stack([np.roll(scenes[n % SCENES], m, (0, 1)) for n, m in zip(numbers, moves, strict=True)])
            )


def anonymous_kb() -> int:
    """Anonymous memory of this process: what it has allocated, without the files that it maps."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1])


def train_on(movie: Path, steps: int) -> dict[str, Any]:
    """Train on a movie in this process; gives the figures."""
    from shiftvae_training.fitting import optimise
    from shiftvae_training.fitting.settings import Settings
    from shiftvae_training.sampling import TileSampler
    from shiftvae_training.scans import read_scans
    from shiftvae_training.train import train

    refill, in_refill = TileSampler.refill, [0.0]

    def counted(sampler: Any, done: float) -> None:
        start = time.process_time()
        refill(sampler, done)
        in_refill[0] += time.process_time() - start

    TileSampler.refill = counted
    optimise.LOOK_EVERY = steps // 4
    peak, over = [0], threading.Event()

    def watch() -> None:
        while not over.wait(0.25):  # seldom, because it counts as CPU time of the steps
            peak[0] = max(peak[0], anonymous_kb())

    thread = threading.Thread(target=watch)
    thread.start()
    start = time.process_time()
    scans = read_scans([str(movie)])
    read_s = time.process_time() - start
    looks: list[tuple[int, float, float]] = []
    trained = train(
        scans.frames,
        Settings(window=32, content=2, steps=steps),
        progress=lambda step: looks.append((step.step, time.process_time(), in_refill[0])),
    )
    over.set()
    thread.join()
    after = [look for look in looks if look[0] >= 0.3 * steps]  # the first guess guides 0.3 of the steps
    (first, early, before), (last, late, reading) = after[0], after[-1]
    return {
        "frames": len(scans.frames),
        "peak_mb": round(peak[0] / 1024, 1),
        "step_ms": round(1e3 * (late - early) / (last - first), 2),
        "step_ratio": round((late - early) / (late - early - reading + before), 3),
        "read_s": round(read_s, 2),
        "loss": round(trained.history[-1].loss, 2),
    }


def measure(folder: Path, ending: str, counts: list[int], steps: int) -> dict[str, Any]:
    spawn = multiprocessing.get_context("spawn")
    runs = []
    for count in counts:
        movie = folder / f"movie{count}{ending}"
        write_film(movie, count)
        with ProcessPoolExecutor(1, mp_context=spawn) as process:
            runs.append(process.submit(train_on, movie, steps).result())
        print(ending, json.dumps(runs[-1]), flush=True)
    first, last = runs[0], runs[-1]
    slope = (last["peak_mb"] - first["peak_mb"]) / max(1, last["frames"] - first["frames"])
    return {"runs": runs, "slope_mb": round(slope, 3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--formats", nargs="+", default=[".zarr"], choices=[".zarr", ".h5", ".tif", ".npy"])
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    found: dict[str, Any] = {"machine": describe_machine(), "steps": options.steps}
    with tempfile.TemporaryDirectory() as folder:
        for ending in options.formats:
            found[ending] = measure(Path(folder), ending, options.frames, options.steps)
            print(ending, json.dumps(found[ending]), flush=True)
    options.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
