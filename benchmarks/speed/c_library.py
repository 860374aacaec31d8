"""The C library beside `LatentMapper`: CPU time of a frame, and from opening a model to its first map.

    cmake -B build/c_library && cmake --build build/c_library
    python benchmarks/speed/c_library.py build/c_library/cpp/capi/libshiftvae.so [--model MODEL.svae] [--rounds 15]

A frame of 512 x 512 px of uint16, one thread; both take turns, and medians are shown. Random weights without --model.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from encoders import CONVOLUTIONAL
from random_models import model_of
from report import table

from shiftvae_rt import LatentMapper
from shiftvae_rt.benchmark import lattice_frame

UINT16 = 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = options.model or model_of(CONVOLUTIONAL, Path(folder))
        print(f"library {options.library.resolve().stat().st_size} bytes, model {path.stat().st_size} bytes")
        print(table([measure(options.library, path, stride, options.rounds) for stride in (1, 4)]))


def measure(library: Path, path: Path, stride: int, rounds: int) -> dict[str, object]:
    """CPU milliseconds of a frame by both, and from opening to the first map."""
    c = ctypes.CDLL(str(library.resolve()))
    frame, mapper, model = lattice_frame()[0].astype(np.uint16), LatentMapper(path, stride=stride), ctypes.c_void_p()
    shape = mapper.map(frame).mean.shape
    mean, std = np.empty(shape, np.float32), np.empty(shape, np.float32)
    places = [ctypes.c_void_p(array.ctypes.data) for array in (frame, mean, std)]

    def encode() -> None:
        pixels, *out = places
        assert c.sv_map(model, pixels, UINT16, *frame.shape, ctypes.c_ssize_t(0), ctypes.c_ssize_t(0), *out) == 0

    def start() -> None:
        c.sv_close(model)
        assert c.sv_open(os.fsencode(path), stride, ctypes.byref(model)) == 0
        encode()

    start()
    same = bool(np.array_equal(mean, mapper.map(frame).mean))
    cpu: dict[str, list[float]] = {"library": [], "mapper": []}
    starts = []
    for _ in range(rounds):
        cpu["library"].append(spent(encode))
        cpu["mapper"].append(spent(lambda: mapper.map(frame)))
        starts.append(spent(start))
    ours, other = (1e3 * float(np.median(times)) for times in cpu.values())
    return {
        "stride": stride,
        "library_cpu_ms": ours,
        "mapper_cpu_ms": other,
        "ratio": ours / other,
        "open_to_first_map_cpu_ms": 1e3 * float(np.median(starts)),
        "identical": same,
    }


def spent(job: Callable[[], object]) -> float:
    """CPU seconds of this process."""
    begun = time.process_time()
    job()
    return time.process_time() - begun


if __name__ == "__main__":
    main()
