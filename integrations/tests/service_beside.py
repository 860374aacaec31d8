"""A real service for the tests of the integrations, in the Python of the runtime: not in the one that runs the host."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
#: Python with the runtime, which has compiled code and onnxruntime.
RUNTIME = Path(os.environ.get("SHIFTVAE_PYTHON", ROOT / ".venv" / "bin" / "python"))


class Runtime:
    """A service in a process of its own, on free ports that it keeps when it is started again."""

    def __init__(self, folder: Path) -> None:
        self.models = folder / "models"
        self.models.mkdir()
        make = f"""
import sys; sys.path.insert(0, {str(ROOT / "tests")!r})
from pathlib import Path
from tiny_models import write_tiny_model
for seed, name in enumerate(("one", "two")):
    write_tiny_model(Path({str(self.models)!r}) / f"{{name}}.svae", seed=seed)
"""
        self._python("-c", make)
        self._log = (folder / "serve.log").open("w")
        with contextlib.ExitStack() as held:
            sockets = [held.enter_context(socket.socket()) for _ in range(3)]
            for each in sockets:
                each.bind(("127.0.0.1", 0))
            self.endpoints = [f"tcp://127.0.0.1:{each.getsockname()[1]}" for each in sockets]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        ingest, results, control = self.endpoints
        command = [RUNTIME, "-m", "shiftvae_rt", "serve", self.models / "one.svae", "--models", self.models]
        command += ["--ingest", ingest, "--results", results, "--control", control, "--http", "off"]
        command += ["--priority", "normal"]
        self._process = subprocess.Popen([str(part) for part in command], stdout=self._log, stderr=self._log, cwd=ROOT)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait(10)

    def close(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)
        self._log.close()

    def maps(self, frames: dict[str, np.ndarray], folder: Path, model: str = "one") -> dict[str, np.ndarray]:
        """Maps of `frames` by `LatentMapper`, in the runtime's Python."""
        np.savez(folder / "frames.npz", **frames)
        code = f"""
import numpy as np
from shiftvae_rt import LatentMapper
mapper = LatentMapper({str(self.models / model)!r} + ".svae", stride=4)
frames = np.load({str(folder / "frames.npz")!r})
np.savez({str(folder / "maps.npz")!r}, **{{name: mapper.map(frames[name]).mean for name in frames}})
"""
        self._python("-c", code)
        with np.load(folder / "maps.npz") as maps:
            return {name: maps[name] for name in maps}

    def _python(self, *arguments: str) -> None:
        done = subprocess.run([RUNTIME, *arguments], capture_output=True, text=True, timeout=120, cwd=ROOT, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
