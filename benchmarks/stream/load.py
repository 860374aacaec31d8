"""Frames/s and the age of results against the offered load: 512 x 512 px, stride 4, 1 to 16 producers, plain and CURVE.

    nice -n -10 python benchmarks/stream/load.py MODEL.svae
    python benchmarks/stream/load.py MODEL.svae --seconds 2 --producers 1 --overload 2.5      # the short form

Producers live in one process of their own, the reader in another, all on the loopback of this machine. The offered load
is a multiple of what one encoding allows. Ages are from the offer of a frame to the publication of its map. All
producers end at once, and nothing newer comes to replace their last frames, which wait for one another: the ages of
those are kept apart. The exit code is 1 if a goal was missed: under overload the p99 of the ages is at most that of the
encodings + 25 ms, and one producer gets at least 85 % of the maps that its encodings alone allow; the counters are
exact in every run.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_rt.stream import (
    KeyFolder,
    Options,
    Producer,
    Service,
    Subscriber,
)

ANYWHERE = "tcp://127.0.0.1:0"
SIZE = 512
#: The largest p99 of the ages under overload is this much above that of the encodings.
GOAL_MS = 25.0
#: The least share of the time that is spent with encoding, by the median encoding, when one producer offers too much.
GOAL_SHARE = 0.85


def offer(ingest: str, key: Path | None, producers: int, per_s: float, seconds: float, channel: Any) -> None:
    """All producers, each at its share of the load, out of step with one another."""
    frame = np.random.default_rng(0).poisson(100, (SIZE, SIZE)).astype(np.uint16)
    made = [Producer(ingest, stream=f"p{n}", key=key) for n in range(producers)]
    for producer in made:
        producer.wait_ready(10)
    period = producers / per_s
    started = time.monotonic()
    due = [started + n * period / producers for n in range(producers)]
    while (now := time.monotonic()) < started + seconds:
        for n, producer in enumerate(made):
            if now >= due[n]:
                producer.offer(frame)
                due[n] += period
        time.sleep(max(0.0, min(due) - time.monotonic()))
    channel.send([vars_of(producer.close(5)) for producer in made])


def vars_of(counters: Any) -> dict[str, int]:
    return {name: getattr(counters, name) for name in counters.__struct_fields__}


def read(results: str, key: Path | None, channel: Any) -> None:
    """Ages of all results, and whether any was missed."""
    ages: dict[str, list[float]] = {}
    with Subscriber(results, key=key) as subscriber:
        subscriber.wait_ready(10)
        channel.send("ready")
        while not channel.poll():
            result = subscriber.receive(0.2)
            if result is not None:
                ages.setdefault(result.stream, []).append(result.age_s)
        channel.send((ages, subscriber.gaps))


def measure(model: Path, producers: int, overload: float, seconds: float, keys: KeyFolder | None) -> dict[str, Any]:
    context = multiprocessing.get_context("spawn")
    mapper = LatentMapper(model, stride=4)
    frame = np.random.default_rng(0).poisson(100, (SIZE, SIZE)).astype(np.uint16)
    times = []
    for _ in range(12):
        started = time.perf_counter()
        mapper.map(frame)
        times.append(time.perf_counter() - started)
    per_s = overload / float(np.median(times))
    options = Options(keys=None if keys is None else keys.path)
    producer_key = reader_key = None
    if keys is not None:
        producer_key, reader_key = keys.path / "scope.key", keys.path / "viewer.key"
    with Service(mapper, ingest=ANYWHERE, results=ANYWHERE, options=options) as service:
        to_reader, from_us = context.Pipe()
        to_producers, from_them = context.Pipe()
        reader = context.Process(target=read, args=(service.results, reader_key, from_us))
        reader.start()
        assert to_reader.recv() == "ready"
        assert service.wait_for_readers(1, 5)
        feeder = context.Process(
            target=offer, args=(service.ingest, producer_key, producers, per_s, seconds, from_them)
        )
        feeder.start()
        counters = to_producers.recv()
        feeder.join()
        time.sleep(0.3)
        to_reader.send("stop")
        ages, gaps = to_reader.recv()
        reader.join()
        report = service.report()
    every = np.concatenate([np.array(each[:-1]) for each in ages.values()]) * 1e3
    shares = [len(each) for each in ages.values()]
    total = report.total
    return {
        "producers": producers,
        "curve": keys is not None,
        "overload": overload,
        "offered_per_s": round(per_s, 1),
        "maps_per_s": round(sum(shares) / seconds, 1),
        "age_p50_ms": round(float(np.percentile(every, 50)), 1),
        "age_p99_ms": round(float(np.percentile(every, 99)), 1),
        "last_frame_max_ms": round(1e3 * max(each[-1] for each in ages.values()), 1),
        "encode_p50_ms": report.encode_p50_ms,
        "encode_p99_ms": report.encode_p99_ms,
        "fewest_and_most_maps_a_producer": [min(shares), max(shares)] if len(shares) == producers else [0, max(shares)],
        "share_of_encoder": round(sum(shares) / seconds * report.encode_p50_ms / 1e3, 3),
        "missed_by_reader": gaps,
        "exact": total.offered == total.settled == sum(c["offered"] for c in counters),
    }


def verdict(run: dict[str, Any]) -> bool:
    """Say whether the goals were met in one run; False if not."""
    who = f"{run['producers']} producers{' through CURVE' if run['curve'] else ''}, overload {run['overload']:g}"
    met = bool(run["exact"])
    print(f"{who}: counters {'exact' if met else 'NOT exact'}", end="")
    if run["overload"] > 1:
        limit_ms = run["encode_p99_ms"] + GOAL_MS
        in_time = run["age_p99_ms"] <= limit_ms
        said = "met" if in_time else "missed"
        print(f"; age p99 {run['age_p99_ms']:.1f} ms, goal {run['encode_p99_ms']:.1f} + {GOAL_MS:g} ms: {said}", end="")
        met = met and in_time
    if run["overload"] > 1 and run["producers"] == 1:
        enough = run["share_of_encoder"] >= GOAL_SHARE
        said = "met" if enough else "missed"
        print(f"; {run['share_of_encoder']:.0%} of the encoder's rate, goal {GOAL_SHARE:.0%}: {said}", end="")
        met = met and enough
    print(flush=True)
    return met


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--producers", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--overload", type=float, nargs="+", default=[0.5, 2.5])
    arguments = parser.parse_args()
    met = []
    with tempfile.TemporaryDirectory() as folder:
        keys = KeyFolder.create(Path(folder) / "keys")
        keys.add("scope", ("produce",))
        keys.add("viewer", ("read",))
        for each in (None, keys):
            for producers in arguments.producers:
                for overload in arguments.overload:
                    run = measure(arguments.model, producers, overload, arguments.seconds, each)
                    print(json.dumps(run), flush=True)
                    met.append(verdict(run))
    print(f"goals met in {sum(met)} of {len(met)} runs")
    return int(not all(met))


if __name__ == "__main__":
    sys.exit(main())
