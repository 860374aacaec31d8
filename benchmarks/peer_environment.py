"""An environment of their own for the packages that we compare with, made on first use in build/peers.

pyroVED and AtomAI ask for torchvision, for one picture function and three networks that have no part in this; it would
bring another torch. A stand-in of a few lines satisfies the import; torch, numpy and onnxruntime are those of this
environment.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "build" / "peers"
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
PACKAGES = ("atomai==0.8.1", "pyroved==0.3.0")
NEEDED = (
    "gpytorch", "mendeleev", "networkx", "opencv-python-headless", "pandas", "progressbar2", "pyro-ppl", "scikit-image",
)  # fmt: skip
STAND_IN = {
    "__init__.py": '__version__ = "0.0"\n',
    "utils.py": 'def make_grid(*_, **__):\n    raise NotImplementedError("torchvision is not installed")\n',
    "models.py": "mobilenet_v2 = resnet50 = vgg16 = None\n",
}


def peer_python() -> str:
    """Path of the environment's Python.

    Raises
    ------
    subprocess.CalledProcessError, OSError
        if it cannot be made, for want of a network say; `why` says it in a line.
    """
    home = FOLDER / "venv"
    python = home / ("Scripts" if os.name == "nt" else "bin") / "python"
    if not (FOLDER / "ready").exists():
        _run([sys.executable, "-m", "venv", str(home)])
        packages = Path(_run([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).strip())
        # as a site, not as a path: that runs the .pth files in it, by which an editable install is found
        (packages / "host.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
        stand_in = packages / "torchvision"
        stand_in.mkdir(exist_ok=True)
        for name, text in STAND_IN.items():
            (stand_in / name).write_text(text)
        _run([str(python), "-m", "pip", "install", "--quiet", "--no-deps", *PACKAGES])
        _run([str(python), "-m", "pip", "install", "--quiet", *NEEDED])
        (FOLDER / "ready").touch()
    return str(python)


def enter_environment(**variables: str) -> None:
    """Run this script again with the environment's Python and these variables; returns where it is the one already."""
    if (FOLDER / "venv").exists() and Path(sys.prefix).samefile(FOLDER / "venv"):
        return
    environment = os.environ | ONE_THREAD | variables
    sys.exit(subprocess.run([peer_python(), *sys.argv], env=environment, check=False).returncode)


def why(error: Exception) -> str:
    """Last line of what a failed command said."""
    return (getattr(error, "stderr", "") or str(error)).strip().splitlines()[-1]


def _run(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
