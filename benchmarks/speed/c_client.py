"""The client's C library beside Python's producer: CPU time that an offered frame costs the thread that acquires.

    cmake -B build/c_library && cmake --build build/c_library
    python benchmarks/speed/c_client.py build/c_library/cpp/client/libshiftvae_client.so [--frames 500]

Frames of uint16 without a service, so that each replaces the one before it; 32 lines of one as a band. Medians of the
CPU time of the calling thread, beside a copy of the same pixels by NumPy. A call by ctypes is in each figure.
"""

from __future__ import annotations

import argparse
import ctypes
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from report import table

from shiftvae_rt.client import Producer

NOBODY = "tcp://127.0.0.1:9"
UINT16 = 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", type=Path)
    parser.add_argument("--frames", type=int, default=500)
    options = parser.parse_args()
    print(table([measure(options.library, edge, options.frames) for edge in (512, 2048)]))


def measure(library: Path, edge: int, frames: int) -> dict[str, object]:
    """CPU microseconds of the calling thread for a frame of `edge` x `edge` px, and for a band of 32 lines."""
    c, handle = ctypes.CDLL(str(library.resolve())), ctypes.c_void_p()
    frame, copy = np.ones((edge, edge), np.uint16), np.empty((edge, edge), np.uint16)
    pixels, zero = ctypes.c_void_p(frame.ctypes.data), ctypes.c_ssize_t(0)
    assert c.svc_producer_open(NOBODY.encode(), b"bench", None, ctypes.byref(handle)) == 0
    unknown = ctypes.c_double(0)
    assert c.svc_producer_format(handle, UINT16, 1, edge, edge, unknown, unknown) == 0

    def offer(number: int) -> None:
        assert c.svc_producer_offer(handle, ctypes.c_uint64(number), pixels, zero, zero, None, None) == 0

    def band(number: int) -> None:
        first = number % (edge // 32) * 32
        scan = ctypes.c_uint64(number // (edge // 32))
        assert c.svc_producer_offer_lines(handle, scan, first, 32, pixels, zero, zero, None, None) == 0

    with Producer(NOBODY, stream="bench") as producer:
        figures = {
            "frame": f"{edge} x {edge}",
            "copy_us": spent(lambda _: np.copyto(copy, frame), frames),
            "library_us": spent(offer, frames),
            "python_us": spent(lambda number: producer.offer(frame, number=number), frames),
            "library_band_us": spent(band, frames // (edge // 32) * (edge // 32)),
        }
        producer.close(0)
    c.svc_producer_close(handle)
    return figures


def spent(call: Callable[[int], object], times: int) -> float:
    """Median CPU microseconds of this thread."""
    costs = []
    for number in range(times):
        begun = time.thread_time_ns()
        call(number)
        costs.append(time.thread_time_ns() - begun)
    return float(np.median(costs)) / 1e3


if __name__ == "__main__":
    main()
