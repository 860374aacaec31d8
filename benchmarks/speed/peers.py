"""AtomAI's `encode_images` and pyroVED's `encode`, as published, on the same frame, in an environment of their own.

Both ask for torchvision, for one picture function and three networks that have no part in this; it would bring another
torch. A stand-in of a few lines satisfies the import, and torch and numpy are those of this environment.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "build" / "peers"
PACKAGES = ("atomai==0.8.1", "pyroved==0.3.0")
NEEDED = (
    "gpytorch", "mendeleev", "networkx", "opencv-python-headless", "pandas", "progressbar2", "pyro-ppl", "scikit-image",
)  # fmt: skip
STAND_IN = {
    "__init__.py": '__version__ = "0.0"\n',
    "utils.py": 'def make_grid(*_, **__):\n    raise NotImplementedError("torchvision is not installed")\n',
    "models.py": "mobilenet_v2 = resnet50 = vgg16 = None\n",
}
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
        python = _environment()
        code = WORKER.replace("SIZE", str(size)).replace("ROUNDS", str(rounds))
        environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, env=environment, check=True)
    except (subprocess.CalledProcessError, OSError) as error:
        detail = (getattr(error, "stderr", "") or str(error)).strip().splitlines()[-1]
        return {"not_measured": detail}
    result: dict[str, Any] = json.loads(done.stdout.split("RESULT")[1])
    return result


def _environment() -> str:
    """Python of the virtual environment, made on first use."""
    home = FOLDER / "venv"
    python = home / ("Scripts" if os.name == "nt" else "bin") / "python"
    if not (FOLDER / "ready").exists():
        _run([sys.executable, "-m", "venv", str(home)])
        packages = Path(_run([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).strip())
        (packages / "host.pth").write_text(sysconfig.get_path("purelib") + "\n")
        stand_in = packages / "torchvision"
        stand_in.mkdir(exist_ok=True)
        for name, text in STAND_IN.items():
            (stand_in / name).write_text(text)
        _run([str(python), "-m", "pip", "install", "--quiet", "--no-deps", *PACKAGES])
        _run([str(python), "-m", "pip", "install", "--quiet", *NEEDED])
        (FOLDER / "ready").touch()
    return str(python)


def _run(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    print(json.dumps(measure_peers(), indent=1))
