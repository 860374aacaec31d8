"""Tries a model in a process of its own, which a hostile or broken model may crash without harm.

Memory, processor time and files of that process are limited where the system supports it. The process ignores the
working directory and most of the environment, so that it imports only what is installed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from ...errors import ModelFileError, ShiftVaeError

__all__ = ["Trial", "main"]

_TRIAL_S = 60.0
_MEMORY_BYTES = 4 << 30
_CPU_S = 50
#: Program of the process. Isolated Python finds installed packages; the path of this package is appended to that.
_START = f"import sys; sys.path += sys.argv.pop(1).split(chr({ord(os.pathsep)})); from {__name__} import main; main()"
#: Environment variables that libraries of the processor or the GPU may need, or Windows itself.
_KEPT = ("PATH", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR")


class Trial:
    """Tries one model at a time. `end` may be called from another thread."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()
        self._ended = False

    def run(self, path: Path, stride: int, signed_by: Path | None = None) -> str:
        """Load the model, encode its test frame, and return the SHA-256 of the file that was tried.

        Raises
        ------
        ModelFileError
            if it is no regular file, does not work, is not ready in time, or the trial was ended.
        """
        if not path.is_file():
            raise ModelFileError(f"{path} is no file: give the name of a model file in that folder")
        arguments = [str(path.resolve()), str(stride), *([] if signed_by is None else [str(signed_by.resolve())])]
        started = time.monotonic()
        process = self._start(arguments)
        try:
            found, said = process.communicate(timeout=_TRIAL_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            waited_s = time.monotonic() - started
            raise ModelFileError(f"{path} was not ready after {waited_s:.0f} s, and is not used") from None
        finally:
            with self._lock:
                self._process = None
        if process.returncode != 0:
            reason = (said.strip().splitlines() or [f"its process ended with exit code {process.returncode}"])[-1]
            raise ModelFileError(f"{path} does not work here: {reason}")
        return found.strip()

    def end(self) -> None:
        """Kill the current process, and start no other."""
        with self._lock:
            self._ended = True
            if self._process is not None:
                self._process.kill()

    def _start(self, arguments: list[str]) -> subprocess.Popen[str]:
        command = [sys.executable, "-I", "-c", _START, os.pathsep.join(_search_path()), *arguments]
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        environment |= {"OMP_NUM_THREADS": "1", "ORT_DISABLE_TELEMETRY": "1"}
        with self._lock:
            if self._ended:
                raise ModelFileError("the service is stopping: no model is tried any more")
            self._process = subprocess.Popen(  # noqa: S603  # our own interpreter, a path from the operator's folder
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            return self._process


def _search_path() -> list[str]:
    """Folders of this package and of the others; the working directory is left out, unless this package lies in it."""
    home, here = Path(__file__).resolve().parents[2], Path.cwd()
    others = [entry for entry in sys.path if Path(entry).is_absolute() and Path(entry) not in (here, home)]
    return [str(home), *others]


def main() -> None:
    """Try the model of ``sys.argv``: path, stride, public key. Prints its SHA-256, or an error to stderr."""
    path, stride, *signed_by = sys.argv[1:]
    _limit()
    from ...encode.mapper import LatentMapper
    from ...model.model_file import ModelFile

    try:
        model = ModelFile.read(path, signed_by=Path(signed_by[0]) if signed_by else None)
        mapper = LatentMapper(model, stride=int(stride))
    except (ShiftVaeError, MemoryError) as error:
        sys.stderr.write(f"{' '.join(str(error).split()) or 'it needs too much memory'}\n")
        sys.exit(1)
    sys.stdout.write(mapper.model.sha256)


def _limit() -> None:
    if sys.platform == "win32":
        return
    import resource

    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_S, _CPU_S))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
