"""Map a frame with the C library and NumPy alone: `python example.py libshiftvae.so MODEL.svae FRAME.npy MAP.npy`."""

from __future__ import annotations

import ctypes
import os
import sys

import numpy as np

PIXEL_TYPES = ("uint8", "uint16", "int16", "uint32", "int32", "float32", "float64")


def main(library: str, path: str, frame_path: str, map_path: str) -> None:
    """Write the mean of each latent ``(latents, rows, cols)`` to `map_path`."""
    c = ctypes.CDLL(library)
    c.sv_error.restype = c.sv_latent_name.restype = ctypes.c_char_p
    pointer, number, stride = ctypes.c_void_p, ctypes.c_int, ctypes.c_ssize_t
    c.sv_map.argtypes = [pointer, pointer, number, number, number, stride, stride, pointer, pointer]
    model = ctypes.c_void_p()

    def check(code: int) -> None:
        if code:
            sys.exit(c.sv_error(model).decode())

    check(c.sv_open(os.fsencode(path), 4, ctypes.byref(model)))
    frame = np.ascontiguousarray(np.load(frame_path))
    height, width = frame.shape[-2:]
    rows, cols = ctypes.c_int(), ctypes.c_int()
    check(c.sv_grid(model, height, width, ctypes.byref(rows), ctypes.byref(cols)))
    mean = np.empty((c.sv_latents(model), rows.value, cols.value), np.float32)
    std = np.empty_like(mean)
    kind = PIXEL_TYPES.index(frame.dtype.name)
    check(c.sv_map(model, frame.ctypes.data, kind, height, width, 0, 0, mean.ctypes.data, std.ctypes.data))
    for index, latent in enumerate(mean):
        print(f"{c.sv_latent_name(model, index).decode()}: mean {latent.mean():.6g}")
    np.save(map_path, mean)
    c.sv_close(model)


if __name__ == "__main__":
    main(*sys.argv[1:])
