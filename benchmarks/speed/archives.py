"""Archives of long movies: CPU time and anonymous memory a frame, and what Dask costs.

    python benchmarks/speed/archives.py [--frames 2000 20000] [--formats .tif .hspy ...] [--dask-frames 144]

Movies of 128 x 128 px in each format are mapped into an archive, each in a process of its own: `cpu_ms` is the CPU time
a frame, with the opening of the movie; `read_ms` that of reading alone; `slope_kb` the growth of anonymous memory from
the second to the last tenth of the movie, kB a frame; `peak_mb` its largest size. Targets: CPU time of 20,000 over
2,000 frames at most 1.2, slope at most 1 kB.

Dask: frames of 512 x 512 px in blocks of about two seconds, mapped without it, by one and by two workers: CPU time of
workers, scheduler and client together. `overhead` is the share of it that is spent outside the blocks, which does not
depend on what else the machine does; `cpu_s` does. Target: at most 0.10.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import tempfile
import time
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # before numpy reads it

import numpy as np  # noqa: E402 - after the number of threads is set
from movies import WRITERS, write_movie  # noqa: E402
from random_models import model_of, random_weights  # noqa: E402

from shiftvae_rt import LatentMapper  # noqa: E402
from shiftvae_rt.archive.creation import create_archive  # noqa: E402
from shiftvae_rt.archive.run import ArchiveJob, run_job  # noqa: E402
from shiftvae_rt.benchmark import describe_machine  # noqa: E402

RESULTS = Path(__file__).parents[1] / "results" / "archives.json"


def anonymous_kb() -> int:
    """Anonymous memory of this process: what it has allocated, without the files that it maps."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1])


def map_movie(model: Path, movie: Path, output: Path, answer: Any) -> None:
    """Map a movie in this process, and put its figures into the queue."""
    job = ArchiveJob(LatentMapper(model, stride=8), str(movie), str(output))
    archive = create_archive(job.output, job.mapper, job.open_frames())
    trace: list[tuple[int, int]] = []

    def note(done: int, total: int) -> None:
        if done % max(1, total // 1000) == 0:
            trace.append((done, anonymous_kb()))

    start = time.process_time()
    for frame in job.open_frames():
        frame.pixels.max()
    between = time.process_time()
    summary = run_job(job, archive, progress=note)
    cpu_s = time.process_time() - between
    tenth = len(trace) // 10
    (first, early), (last, late) = (np.mean(trace[at], axis=0) for at in (slice(tenth, 2 * tenth), slice(-tenth, None)))
    answer.put(
        {
            "frames": summary.frames,
            "open": summary.open,
            "cpu_ms": round(1e3 * cpu_s / summary.frames, 3),
            "read_ms": round(1e3 * (between - start) / summary.frames, 3),
            "slope_kb": round(float((late - early) / (last - first)), 4),
            "peak_mb": round(max(kb for _, kb in trace) / 1024, 1),
        }
    )


def ratio(runs: list[dict[str, Any]], figure: str) -> float:
    return round(runs[-1][figure] / runs[0][figure], 3)


def measure_movies(folder: Path, formats: list[str], lengths: list[int]) -> dict[str, Any]:
    model = model_of(random_weights("convolutional"), folder)
    processes = multiprocessing.get_context("spawn")
    found: dict[str, Any] = {}
    for ending in formats:
        runs = []
        for frames in lengths:
            movie = write_movie(folder / f"movie{ending}", frames)
            answer = processes.Queue()
            process = processes.Process(
                target=map_movie, args=(model, movie, folder / f"m{ending}{frames}.zspy", answer)
            )
            process.start()
            runs.append(answer.get(timeout=3600))
            process.join()
        found[ending] = {"runs": runs, "cpu_ratio": ratio(runs, "cpu_ms"), "read_ratio": ratio(runs, "read_ms")}
        print(ending, json.dumps(found[ending]), flush=True)
    return found


def count_blocks() -> None:
    """On a worker: note the CPU time of the process while it maps blocks."""
    from shiftvae_rt.archive import dask_engine

    whole = dask_engine.map_block
    dask_engine.cpu_s = 0.0

    def counted(*arguments: Any) -> int:
        start = time.process_time()
        result = whole(*arguments)
        dask_engine.cpu_s += time.process_time() - start
        return result

    dask_engine.map_block = counted


def counted_s() -> float:
    from shiftvae_rt.archive import dask_engine

    return dask_engine.cpu_s


def measure_dask(folder: Path, frames: int) -> dict[str, Any]:
    """CPU time of the same blocks without Dask, and on one and two workers; and what of it is not in a block."""
    from shiftvae_rt.archive.dask_engine import connected

    model = model_of(random_weights("convolutional"), folder)
    movie = np.lib.format.open_memmap(folder / "large.npy", "w+", np.uint16, (frames, 512, 512))
    for number in range(frames):
        movie[number] = np.random.default_rng(number % 8).poisson(100, (512, 512))
    del movie
    found: dict[str, Any] = {}
    for workers in (0, 1, 2):
        job = ArchiveJob(LatentMapper(model, stride=1), str(folder / "large.npy"), str(folder / f"w{workers}.zspy"))
        archive = create_archive(job.output, job.mapper, job.open_frames())
        tasks = len(archive.blocks())
        if workers == 0:
            start = time.process_time()
            run_job(job, archive)
            cpu_s = in_blocks_s = time.process_time() - start
        else:
            with connected(f"local:{workers}") as client:
                client.run(count_blocks)
                start, before = time.process_time(), client.run(time.process_time)
                run_job(job, archive, client=client)
                after = client.run(time.process_time)
                cpu_s = time.process_time() - start + sum(after.values()) - sum(before.values())
                in_blocks_s = sum(client.run(counted_s).values())
        found[f"workers_{workers}"] = {
            "cpu_s": round(cpu_s, 2),
            "tasks": tasks,
            "task_s": round(in_blocks_s / tasks, 2),
            "overhead": round(cpu_s / in_blocks_s - 1, 4),
        }
        print(f"{workers} workers", json.dumps(found[f"workers_{workers}"]), flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, nargs="+", default=[2000, 20000])
    parser.add_argument("--formats", nargs="*", default=list(WRITERS))
    parser.add_argument("--dask-frames", type=int, default=144, help="0: leave Dask out")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    figures: dict[str, Any] = {"machine": describe_machine()}
    with tempfile.TemporaryDirectory() as name:
        figures["movies"] = measure_movies(Path(name), options.formats, options.frames)
        if options.dask_frames:
            figures["dask"] = measure_dask(Path(name), options.dask_frames)
    options.out.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
