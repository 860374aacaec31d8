"""Does the service disturb an acquisition on the same machine?

    python benchmarks/stream/jitter.py MODEL.svae [--seconds 10]

The acquisition is a loop that must finish 1 ms of work every 5 ms. Its lateness is measured beside a service that is
stopped (SIGSTOP), beside the same service idle, in turns, and beside the service while it encodes without a pause on
one thread at below-normal priority. Loop and service are pinned to one core, the worst that can be. On a machine that
others use, the first figure tells how noisy it is.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from shiftvae_rt.stream import Producer

PERIOD_S, WORK_S = 0.005, 0.001


def acquire(seconds: float) -> list[float]:
    """Lateness of the end of each period's work, s."""
    late = []
    started = due = time.perf_counter()
    while due < started + seconds:
        due += PERIOD_S
        time.sleep(max(0.0, due - time.perf_counter()))
        working = time.thread_time()
        while time.thread_time() - working < WORK_S:
            pass
        late.append(time.perf_counter() - due - WORK_S)
    return late


def figures_of(seconds: list[float]) -> dict[str, float]:
    """Percentiles in ms, and how many periods were missed altogether."""
    late = np.array(seconds) * 1e3
    return {
        "p50_ms": round(float(np.percentile(late, 50)), 3),
        "p99_ms": round(float(np.percentile(late, 99)), 3),
        "missed": int((late > (PERIOD_S - WORK_S) * 1e3).sum()),
        "periods": len(late),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--seconds", type=float, default=10.0)
    arguments = parser.parse_args()
    command = [sys.executable, "-m", "shiftvae_rt.cli", "serve", str(arguments.model), "--json", "--http", "off"]
    for name in ("ingest", "results", "control"):
        command += [f"--{name}", "tcp://127.0.0.1:0"]
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    alone: list[float] = []
    idle: list[float] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as service:
        ready = json.loads(service.stdout.readline())
        for _ in range(10):
            service.send_signal(signal.SIGSTOP)
            alone += acquire(arguments.seconds / 10)
            service.send_signal(signal.SIGCONT)
            time.sleep(0.2)
            idle += acquire(arguments.seconds / 10)
        feeding = subprocess.Popen(
            [sys.executable, __file__, str(arguments.model), "--seconds", str(arguments.seconds + 3)],
            env={**environment, "SHIFTVAE_FEED": ready["ingest"]},
        )
        time.sleep(2.0)
        loaded = acquire(arguments.seconds)
        feeding.wait()
        service.terminate()
        stopped = json.loads(service.stdout.readlines()[-1])
    figures = {"stopped service": figures_of(alone), "idle service": figures_of(idle)}
    figures["loaded service"] = figures_of(loaded)
    rise = figures["idle service"]["p99_ms"] - figures["stopped service"]["p99_ms"]
    print(json.dumps(figures, indent=1))
    print(f"idle p99 rise: {100 * rise / (PERIOD_S * 1e3):.2f} % of a period")
    print(f"maps while loaded: {stopped['total']['processed']}")


def feed(ingest: str) -> None:
    """Offer frames without a pause, from the other core."""
    os.sched_setaffinity(0, {max(range(os.cpu_count() or 1))})
    frame = np.random.default_rng(0).poisson(100, (512, 512)).astype(np.uint16)
    stop = time.monotonic() + float(sys.argv[3])
    with Producer(ingest, stream="load") as producer:
        while time.monotonic() < stop:
            producer.offer(frame)
            time.sleep(0.005)


if __name__ == "__main__":
    if "SHIFTVAE_FEED" in os.environ:
        feed(os.environ["SHIFTVAE_FEED"])
    else:
        main()
