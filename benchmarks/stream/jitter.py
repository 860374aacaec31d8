"""Does the service disturb an acquisition on the same machine?

    python benchmarks/stream/jitter.py MODEL.svae [--seconds 10]

The acquisition is a loop that must finish 1 ms of work every 5 ms. Its lateness is measured alone, beside an idle
service, and beside a service that encodes without a pause on one thread at below-normal priority. The loop is pinned to
one core. On a machine that others use, the first figure tells how noisy it is.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from shiftvae_rt.stream import Producer

PERIOD_S, WORK_S = 0.005, 0.001


def acquire(seconds: float) -> dict[str, float]:
    """Lateness of the end of each period's work, ms, and how many periods were missed altogether."""
    ends = []
    started = due = time.perf_counter()
    while due < started + seconds:
        due += PERIOD_S
        time.sleep(max(0.0, due - time.perf_counter()))
        working = time.thread_time()
        while time.thread_time() - working < WORK_S:
            pass
        ends.append(time.perf_counter() - due - WORK_S)
    late = np.array(ends) * 1e3
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
    command = [sys.executable, "-m", "shiftvae_rt.cli", "serve", str(arguments.model), "--json"]
    for name in ("ingest", "results", "control"):
        command += [f"--{name}", "tcp://127.0.0.1:0"]
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    figures = {"alone": acquire(arguments.seconds)}
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen([*command, "--http", "off"], stdout=subprocess.PIPE, text=True, env=environment) as service:
        ready = json.loads(service.stdout.readline())
        time.sleep(1.0)  # it inherited our one core: the worst that can be
        figures["idle service"] = acquire(arguments.seconds)
        offering = subprocess.Popen(
            [sys.executable, __file__, str(arguments.model), "--seconds", str(arguments.seconds + 3)],
            env={**environment, "SHIFTVAE_FEED": ready["ingest"]},
        )
        time.sleep(2.0)
        figures["loaded service"] = acquire(arguments.seconds)
        offering.wait()
        service.terminate()
        stopped = json.loads(service.stdout.readlines()[-1])
    rise = figures["idle service"]["p99_ms"] - figures["alone"]["p99_ms"]
    figures["idle p99 rise, % of a period"] = round(100 * rise / (PERIOD_S * 1e3), 2)
    figures["maps while loaded"] = stopped["total"]["processed"]
    print(json.dumps(figures, indent=1))


def feed(ingest: str) -> None:
    """Offer frames without a pause, from the other core."""
    if hasattr(os, "sched_setaffinity"):
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
