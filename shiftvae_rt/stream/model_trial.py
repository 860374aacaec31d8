"""``python -m shiftvae_rt.stream.model_trial MODEL STRIDE [PUBLIC]``: load a model and encode its own test frame.

Run by the service in a process of its own, which a hostile or broken model may kill: memory, processor time and files
are limited where the system can do that. Prints the SHA-256 of the file; the reason of a failure goes to stderr.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ..errors import ShiftVaeError

__all__ = ["main"]

_MEMORY_BYTES = 4 << 30
_CPU_S = 50


def main(path: str, stride: int, signed_by: Path | None = None) -> int:
    """Try the model; 0 if it works."""
    _limit()
    from ..mapper import LatentMapper
    from ..model_file import ModelFile

    try:
        mapper = LatentMapper(ModelFile.read(path, signed_by=signed_by), stride=stride)
    except (ShiftVaeError, MemoryError) as error:
        sys.stderr.write(f"{' '.join(str(error).split()) or 'it needs too much memory'}\n")
        return 1
    sys.stdout.write(mapper.model.sha256)
    return 0


def _limit() -> None:
    if sys.platform == "win32":
        return
    import resource

    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_S, _CPU_S))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), *map(Path, sys.argv[3:])))
