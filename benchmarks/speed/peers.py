"""AtomAI's `encode_images` and pyroVED's `encode`, as published, on the same frame, in an environment of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from peer_environment import peer_python, why  # found beside this folder

WORKER = """
import json, time
import numpy as np, torch
torch.set_num_threads(1)
size, rounds = SIZE, ROUNDS
frame = np.random.default_rng(0).poisson(100, (size, size)).astype(np.float32)
def cpu_ms(job):
    times = []
    for _ in range(rounds):
        start = time.process_time()
        job()
        times.append(1e3 * (time.process_time() - start))
    return float(np.median(times))
import atomai
vae = atomai.models.VAE((32, 32), latent_dim=2, seed=0)
result = {"atomai": atomai.__version__, "atomai_ms": cpu_ms(lambda: vae.encode_images(frame))}
import pyroved
net = pyroved.models.iVAE((32, 32), latent_dim=2, invariances=["t"], seed=0, device="cpu")
def all_windows():
    views = torch.from_numpy(frame).unfold(0, 32, 1).unfold(1, 32, 1)
    for row in views:
        net.encode(row.contiguous())
result |= {"pyroved": pyroved.__version__, "pyroved_ms": cpu_ms(all_windows)}
print("RESULT" + json.dumps(result))
"""


def measure_peers(size: int = 512, rounds: int = 3) -> dict[str, Any]:
    """CPU milliseconds of every window at stride 1, one thread, untrained networks; or ``not_measured`` and why."""
    try:
        python = peer_python()
        code = WORKER.replace("SIZE", str(size)).replace("ROUNDS", str(rounds))
        environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, env=environment, check=True)
    except (subprocess.CalledProcessError, OSError) as error:
        return {"not_measured": why(error)}
    result: dict[str, Any] = json.loads(done.stdout.split("RESULT")[1])
    return result


if __name__ == "__main__":
    print(json.dumps(measure_peers(), indent=1))
