"""Map one frame and print the peak memory of this process as JSON: MODEL SIZE STRIDE."""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

import numpy as np

from shiftvae_rt import LatentMapper


def peak_mb() -> float:
    """Largest resident set of this process so far."""
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss would count the process that started this one
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)


model, size, stride = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
mapper = LatentMapper(model, stride=stride)
frame = np.random.default_rng(0).integers(0, 4096, (size, size), dtype=np.uint16)
before = peak_mb()
mapper.map(frame)
print(json.dumps({"before_mb": round(before), "peak_mb": round(peak_mb())}))
