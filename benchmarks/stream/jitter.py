"""Does the service disturb an acquisition on the same machine?

    nice -n -15 python benchmarks/stream/jitter.py MODEL.svae [--same-core]
    nice -n -15 python benchmarks/stream/jitter.py MODEL.svae --rounds 4   # the short form, which shows little

The acquisition is a loop that must finish 1 ms of work every 5 ms. Its lateness is measured beside a service that is
stopped (SIGSTOP), idle, and under full load, whose threads are limited to one core. The acquisition runs where the
system puts it, or with --same-core on that core too, the worst that can be. The three take turns of one second, in
every order, and are compared within each round, so that what else the machine does falls on all three. The p99 of the
stopped service tells how noisy the machine is; an interval that is wider than the goal says that this run shows
nothing. The exit code is 0 if both goals were met, 1 if one was missed, 3 if none was missed and one not shown.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np

from shiftvae_rt.stream import Producer

PERIOD_S, WORK_S = 0.005, 0.001
#: Shorter than the heartbeat's timeout: a service that is stopped for so long keeps its producer.
BLOCK_S, SETTLE_S = 1.0, 0.3
ONE_CORE = min(os.sched_getaffinity(0))
STATES = ("stopped", "idle", "loaded")
#: Largest rise of the p99 beside an idle service, of a period.
GOAL = 0.05
#: Share of the periods in which the work is done in time beside a loaded service.
ON_TIME = 0.999


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


def feed(ingest: str) -> None:
    """Offer more frames than can be encoded between a line ``go`` and a line ``stop`` on stdin."""
    os.sched_setaffinity(0, {max(range(os.cpu_count() or 1))})
    os.setpriority(os.PRIO_PROCESS, 0, 0)  # whatever the acquisition has
    frame = np.random.default_rng(0).poisson(100, (512, 512)).astype(np.uint16)
    offering, over = threading.Event(), threading.Event()

    def listen() -> None:
        for line in sys.stdin:
            (offering.set if line == "go\n" else offering.clear)()
        over.set()

    threading.Thread(target=listen, daemon=True).start()
    with Producer(ingest, stream="load") as producer:
        producer.wait_ready(10)
        print("ready", flush=True)
        while not over.is_set():
            if offering.wait(0.1):
                producer.offer(frame)
                time.sleep(PERIOD_S)


class Machine:
    """The service on one core and its feeder on another, brought into one state after the other."""

    def __init__(self, model: Path) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "shiftvae_rt", "serve", str(model), "--json", "--http", "off"]
        for name in ("ingest", "results", "control"):
            command += [f"--{name}", "tcp://127.0.0.1:0"]
        self._service = subprocess.Popen(
            [*("taskset", "--cpu-list", str(ONE_CORE)), *command], stdout=subprocess.PIPE, text=True, env=environment
        )
        ingest = json.loads(self._service.stdout.readline())["ingest"]
        self._feeder = subprocess.Popen(
            [sys.executable, __file__, "--feed", ingest],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        assert self._feeder.stdout.readline() == "ready\n"

    def enter(self, state: str) -> None:
        """Bring the service into one of `STATES`, and wait until it is there."""
        self._service.send_signal(signal.SIGCONT)
        self._feeder.stdin.write("go\n" if state == "loaded" else "stop\n")
        self._feeder.stdin.flush()
        time.sleep(SETTLE_S)
        if state == "stopped":
            self._service.send_signal(signal.SIGSTOP)

    def close(self) -> dict[str, int]:
        """End both; what became of the frames."""
        self.enter("idle")
        self._feeder.stdin.close()
        self._feeder.wait(20)
        self._service.terminate()
        return json.loads(self._service.stdout.readlines()[-1])["total"]


def median_and_interval(values: list[float]) -> tuple[float, float, float]:
    """Median, and the order statistics between which it lies in 95 of 100 cases, whatever the distribution."""
    ordered = sorted(values)
    least = max(0, math.floor((len(ordered) - 1.96 * math.sqrt(len(ordered))) / 2) - 1)
    return float(np.median(ordered)), ordered[least], ordered[-1 - least]


def rise_of_p99(late: dict[str, list[list[float]]]) -> str:
    """Print how lateness rises beside the service; whether the goal for the idle one is met, missed or not shown."""
    goal, verdict = 100 * GOAL, ""
    for state in STATES[1:]:
        for percent in (50, 99):
            rises = [
                100 * float(np.percentile(one, percent) - np.percentile(other, percent)) / PERIOD_S
                for one, other in zip(late[state], late["stopped"], strict=True)
            ]
            median, low, high = median_and_interval(rises)
            if (state, percent) == ("idle", 99):
                verdict = "met" if high < goal else "missed" if low > goal else "not shown"
            print(f"{state:>8}: p{percent} rises by {median:+.2f} % of a period ({low:+.2f} to {high:+.2f})")
    print(f"beside the idle service p99 rises by at most {goal:g} % of a period: {verdict}")
    return verdict


def on_time(late: dict[str, list[list[float]]]) -> str:
    """Print how many periods were in time; whether the goal for the loaded service is met, missed or not shown."""
    shares = {}
    for state in STATES:
        every = np.concatenate([np.array(block) for block in late[state]]) * 1e3
        missed = int((every > (PERIOD_S - WORK_S) * 1e3).sum())
        shares[state] = 1 - missed / len(every)
        p50, p99 = np.percentile(every, [50, 99])
        print(f"{state:>8}: p50 {p50:.3f} ms, p99 {p99:.3f} ms, {missed} of {len(every)} periods missed")
    met, quiet = shares["loaded"] >= ON_TIME, shares["stopped"] >= ON_TIME
    verdict = "met" if met else "missed" if quiet else "not shown"
    print(f"beside the loaded service {100 * ON_TIME:g} % of the periods are in time: {verdict}")
    return verdict


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, nargs="?")
    parser.add_argument("--rounds", type=int, default=40, help="of three seconds (default %(default)s)")
    parser.add_argument("--same-core", action="store_true", help="the acquisition on the core of the service")
    parser.add_argument("--feed", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.feed:
        feed(arguments.feed)
        return 0
    if arguments.model is None:
        parser.error("give a model file")
    if arguments.same_core:
        os.sched_setaffinity(0, {ONE_CORE})
    machine = Machine(arguments.model)
    late: dict[str, list[list[float]]] = {state: [] for state in STATES}
    orders = itertools.cycle(itertools.permutations(STATES))
    for order in itertools.islice(orders, arguments.rounds):
        for state in order:
            machine.enter(state)
            late[state].append(acquire(BLOCK_S))
    print(f"frames while loaded: {machine.close()}")
    verdicts = on_time(late), rise_of_p99(late)
    return 1 if "missed" in verdicts else 3 if "not shown" in verdicts else 0


if __name__ == "__main__":
    sys.exit(main())
