"""What the fault tests share: `shiftvae serve` in a process of its own, and a frame for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

LIMIT_S = 20.0
ANYWHERE = "tcp://127.0.0.1:0"
FRAME = np.random.default_rng(0).poisson(40, (40, 40)).astype(np.uint16)


class Serving:
    """`shiftvae serve` in a process of its own."""

    def __init__(self, model: Path, *options: object, ingest: str = ANYWHERE, code: str = "") -> None:
        run = [sys.executable, "-c", f"{code}\nimport sys\nfrom shiftvae_rt.cli import main\nsys.exit(main())"]
        command = [*run, "serve", str(model), "--ingest", ingest, "--results", ANYWHERE, "--control", ANYWHERE]
        self.process = subprocess.Popen(
            [*command, "--http", "off", "--json", *map(str, options)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        self.ready = json.loads(self.process.stdout.readline())

    def __getattr__(self, name: str) -> Any:
        return self.ready[name]

    def end(self, number: int) -> float:
        """Seconds from the signal to the end of the process."""
        started = time.monotonic()
        self.process.send_signal(number)
        self.process.communicate(timeout=LIMIT_S)
        return time.monotonic() - started


def wait_for(condition: Callable[[], bool], limit_s: float = LIMIT_S) -> float:
    """Seconds until it holds."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < limit_s, "it did not happen in time"
        time.sleep(0.005)
    return time.monotonic() - started
