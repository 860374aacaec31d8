"""The machine: its name, its versions, and the limits of one of its cores."""

from __future__ import annotations

import os
import platform
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from .. import _core
from ..encode.onnx_graph import runtime_version
from .timing import take_turns

__all__ = ["Limits", "cores", "describe_machine", "measure_limits", "multiply_add_rate"]

#: Number of floats that are written and copied: 256 MiB, far beyond any cache.
FLOATS = 1 << 26
#: Steps of multiply-adds in a round: about 20 ms on a core of 4 GHz.
STEPS = 5_000_000


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of one core of this machine, in CPU time.

    Attributes
    ----------
    multiply_add_gflops
        Rate of fused multiply-adds of float32 in registers, two operations each, 1e9/s.
    write_gb_per_s
        Rate at which memory is written past the caches, 1e9 bytes/s.
    copy_gb_per_s
        Rate at which NumPy copies memory, 1e9 bytes/s.
    """

    multiply_add_gflops: float
    write_gb_per_s: float
    copy_gb_per_s: float


def cores() -> int:
    """Give the number of cores that this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def describe_machine() -> dict[str, Any]:
    """Give processor, instruction set, versions and load, which two runs must share for their figures to compare."""
    return {
        "cpu": _cpu(),
        "cores": cores(),
        "isa": _core.isa(),
        "system": platform.system(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "onnxruntime": runtime_version(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }


def measure_limits(rounds: int = 9) -> Limits:
    """Measure the limits of one core in `rounds` rounds, about a quarter of a second each; takes 0.5 GiB of memory."""
    out, copy = np.ones(FLOATS, np.float32), np.ones(FLOATS, np.float32)
    start = -out.ctypes.data % 64 // 4
    whole_lines = out[start : start + FLOATS - 16]
    times = take_turns(
        {"write": lambda: _core.stream_fill(whole_lines, 1.5), "copy": lambda: np.copyto(copy, out)}, rounds
    )
    return Limits(
        multiply_add_gflops=multiply_add_rate(1, rounds),
        write_gb_per_s=whole_lines.nbytes / times["write"] * 1e-6,
        copy_gb_per_s=out.nbytes / times["copy"] * 1e-6,
    )


def multiply_add_rate(threads: int, rounds: int = 9) -> float:
    """Give the GFLOP/s (CPU time) of fused multiply-adds in registers of `threads` threads together, the best round."""
    with ThreadPoolExecutor(threads) as pool:
        return max(sum(pool.map(_rate, [STEPS] * threads)) for _ in range(rounds))


def _rate(steps: int) -> float:
    start = time.thread_time()
    operations = _core.multiply_add(steps)
    return 1e-9 * operations / (time.thread_time() - start)


def _cpu() -> str:
    """Give the name of the processor, the commercial one if the system knows it."""
    if sys.platform == "win32":
        import winreg

        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"HARDWARE\DESCRIPTION\System\CentralProcessor\0") as key:
            return str(winreg.QueryValueEx(key, "ProcessorNameString")[0]).strip()
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
