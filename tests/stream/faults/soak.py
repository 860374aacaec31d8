"""Frames in both modes for a long time: does the memory of the service grow?

    python tests/stream/faults/soak.py MODEL FOLDER --frames 200000 [--leak 64]

Prints a JSON report, and how far it is to stderr. The growth is the slope of a line through the resident memory over
the second half of the run. It is sampled by frames: a list of samples by the clock grew by 12 B a frame on a slow
machine. ``--leak`` forgets this many bytes a frame on purpose: the growth must then show it.
"""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_rt.stream import (
    LosslessProducer,
    Options,
    Producer,
    Service,
    Subscriber,
)
from shiftvae_rt.stream.service.encoding import Encoding

ANYWHERE = "tcp://127.0.0.1:0"
FRAME = np.random.default_rng(0).poisson(40, (18, 16)).astype(np.uint16)
SAMPLES = 1000
_leaked: list[bytearray] = []


def resident_bytes(pid: int | str = "self") -> int:
    """Memory of a process, ours by default, that is not shared with a file."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no RssAnon in /proc/PID/status")


def feed(ingest: str, results: str, frames: int, channel: Any) -> None:
    """The other side, in a process of its own."""
    with Subscriber(results) as subscriber:
        live = Producer(ingest, stream="live", mode="replay")
        lossless = LosslessProducer(ingest, stream="lossless")
        for number in range(frames // 2):
            live.offer(FRAME)
            lossless.send(FRAME, number=number)
            live.wait()
            while subscriber.receive(0.0) is not None:
                pass
        channel.send(lossless.end().processed + live.close().processed)


def soak(model: Path, folder: Path, frames: int, leak: int) -> dict[str, object]:
    if leak:
        encode = Encoding.encode

        def leaking(self: Encoding, *arguments: Any) -> Any:
            _leaked.append(bytearray(leak))
            return encode(self, *arguments)

        Encoding.encode = leaking
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    service = Service(
        LatentMapper(model), ingest=ANYWHERE, results=ANYWHERE, options=Options(journal=folder / "soak.journal")
    )
    samples = np.zeros((SAMPLES + 2, 2))  # frames, bytes
    taken = 0

    def sample(processed: int) -> None:
        nonlocal taken
        samples[taken] = processed, resident_bytes()
        taken += 1
        if taken % (SAMPLES // 10) == 0:
            print(f"{processed} frames, {samples[taken - 1, 1] / 2**20:.2f} MiB", file=sys.stderr, flush=True)

    started = time.monotonic()
    with service:
        other = context.Process(target=feed, args=(service.ingest, service.results, frames, theirs))
        other.start()
        while not ours.poll(0.1):
            if not other.is_alive() or time.monotonic() - started > frames / 20 + 60:
                raise RuntimeError("the feeder died, or is stuck")
            now = service.report().total.processed
            if now >= taken * frames / SAMPLES:
                sample(now)
        processed = ours.recv()
        other.join()
        gc.collect()
        sample(processed)
    done, memory = samples[:taken].T
    later = done >= frames // 2
    slope = float(np.polyfit(done[later], memory[later], 1)[0]) if later.sum() > 2 else float("nan")
    return {
        "frames": frames,
        "processed": processed,
        "bytes_per_frame": round(slope, 2),
        "mb_per_100000_frames": round(slope * 1e5 / 1e6, 3),
        "peak_mib": round(memory.max() / 2**20, 1),
        "growth_mib": round((memory[-1] - memory[later][0]) / 2**20, 2),
        "seconds": round(time.monotonic() - started, 1),
        "frames_per_s": round(frames / (time.monotonic() - started)),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--frames", type=int, default=200_000)
    parser.add_argument("--leak", type=int, default=0, metavar="BYTES")
    parser.add_argument("--limit", type=float, default=1.0, help="largest growth, MB in 100,000 frames")
    arguments = parser.parse_args()
    report = soak(arguments.model, arguments.folder, arguments.frames, arguments.leak)
    print(json.dumps(report))
    return int(not report["mb_per_100000_frames"] <= arguments.limit or report["processed"] != arguments.frames)


if __name__ == "__main__":
    sys.exit(main())
