"""The C library from Python, through ctypes: what the tests of `tests/capi` call."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
TYPES = ("uint8", "uint16", "int16", "uint32", "int32", "float32", "float64")
OK, ARGUMENT, FILE, FRAME, WINDOW, UNSUPPORTED, MEMORY = range(7)


def tool(name: str) -> str | None:
    """Path of a program, beside this Python or anywhere else."""
    return shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


def install(prefix: Path) -> Path:
    """Build the library in the folder of this tree that keeps its objects, and install it under `prefix`."""
    build, cmake, ninja = ROOT / "build" / "c_library", tool("cmake"), tool("ninja")
    generator = ["-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={ninja}"] if ninja else []
    for arguments in (
        ["-S", ROOT, "-B", build, *generator, "-DSHIFTVAE_WARNINGS_AS_ERRORS=ON", "-DCMAKE_INSTALL_LIBDIR=lib"],
        ["--build", build, "--parallel", "2"],
        ["--install", build, "--prefix", prefix],
    ):
        done = subprocess.run([cmake, *map(str, arguments)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return prefix


def said(command: list[str | Path], **options: Any) -> str:
    """Run a program that must succeed, and give what it wrote."""
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, timeout=300, **options)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def need(*names: str) -> None:
    """Skip the test, saying so, where a program is missing."""
    lacking = [name for name in names if tool(name) is None]
    if lacking:
        pytest.skip(f"there is no {' and no '.join(lacking)} here")


class RefusedError(Exception):
    """An error code of the library, with its text."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class Library:
    """The functions of the library, with the types of their arguments."""

    def __init__(self, path: Path) -> None:
        self.c = c = ctypes.CDLL(str(path))
        integer, pointer, size = ctypes.c_int, ctypes.c_void_p, ctypes.c_ssize_t
        place = ctypes.POINTER(ctypes.c_int)
        for name in ("sv_error", "sv_manifest", "sv_latent_name", "sv_latent_unit", "sv_reason"):
            getattr(c, name).restype = ctypes.c_char_p
        c.sv_error.argtypes = c.sv_manifest.argtypes = c.sv_latents.argtypes = c.sv_channels.argtypes = [pointer]
        c.sv_latent_name.argtypes = c.sv_latent_unit.argtypes = [pointer, integer]
        c.sv_open.argtypes = [ctypes.c_char_p, integer, ctypes.POINTER(pointer)]
        c.sv_open_bytes.argtypes = [ctypes.c_char_p, ctypes.c_size_t, integer, ctypes.POINTER(pointer)]
        c.sv_close.argtypes = c.sv_scan_end.argtypes = c.sv_reason.argtypes = [pointer]
        c.sv_close.restype = c.sv_scan_end.restype = None
        c.sv_window.argtypes = [pointer, place, place]
        c.sv_grid.argtypes = [pointer, integer, integer, place, place]
        c.sv_map.argtypes = [pointer, pointer, integer, integer, integer, size, size, pointer, pointer]
        c.sv_scan_begin.argtypes = [pointer, integer, integer, integer, ctypes.POINTER(pointer)]
        c.sv_scan_push.argtypes = [pointer, pointer, integer, size, size, pointer, pointer, place, place]
        number = ctypes.POINTER(ctypes.c_double)
        c.sv_domain.argtypes = [pointer, pointer, pointer, number, number]
        c.sv_decode.argtypes = [pointer, integer, pointer, pointer]
        c.sv_set_threads.argtypes = [pointer, integer]
        c.sv_fields.argtypes = [pointer, integer, integer, pointer, pointer, pointer, pointer]
        c.sv_orders.argtypes = [pointer]
        c.sv_order.argtypes = [pointer, integer, integer, pointer, pointer, pointer, pointer]

    def open(self, source: Path | bytes, stride: int = 4) -> CModel:
        """Open a model file, or its content; `RefusedError` with the text of the handle that came in its place."""
        handle = ctypes.c_void_p()
        if isinstance(source, bytes):
            code = self.c.sv_open_bytes(source, len(source), stride, ctypes.byref(handle))
        else:
            code = self.c.sv_open(os.fsencode(source), stride, ctypes.byref(handle))
        model = CModel(self.c, handle)
        model.check(code)
        return model


class CModel:
    """A model that is open."""

    def __init__(self, c: ctypes.CDLL, handle: ctypes.c_void_p) -> None:
        self.c, self.handle = c, handle

    def __del__(self) -> None:
        self.c.sv_close(self.handle)

    def check(self, code: int) -> None:
        text = self.c.sv_error(self.handle).decode()
        assert bool(text) == bool(code)
        if code:
            raise RefusedError(code, text)

    def grid(self, height: int, width: int) -> tuple[int, int]:
        rows, cols = ctypes.c_int(), ctypes.c_int()
        self.check(self.c.sv_grid(self.handle, height, width, ctypes.byref(rows), ctypes.byref(cols)))
        return rows.value, cols.value

    def outputs(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Places for a map, full of a number that no latent has."""
        shape = (self.c.sv_latents(self.handle), *self.grid(*pixels.shape[1:]))
        return np.full(shape, 12345, np.float32), np.full(shape, 12345, np.float32)

    def map(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and deviation of ``pixels (C, H, W)``, wherever its lines and channels lie."""
        mean, std = self.outputs(pixels)
        self.check(
            self.c.sv_map(
                self.handle,
                pixels.ctypes.data,
                TYPES.index(pixels.dtype.name),
                *pixels.shape[1:],
                pixels.strides[1],
                pixels.strides[0],
                mean.ctypes.data,
                std.ctypes.data,
            )
        )
        return mean, std

    def use_threads(self, threads: int) -> None:
        self.check(self.c.sv_set_threads(self.handle, threads))

    def draw(self, latents: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Windows ``(n, *shape)`` of ``latents (n, L)``."""
        latents = np.ascontiguousarray(latents, np.float32)
        windows = np.empty((len(latents), *shape), np.float32)
        self.check(self.c.sv_decode(self.handle, len(latents), latents.ctypes.data, windows.ctypes.data))
        return windows

    def begin(self, pixels: np.ndarray) -> CScan:
        scan = ctypes.c_void_p()
        kind = TYPES.index(pixels.dtype.name)
        self.check(self.c.sv_scan_begin(self.handle, *pixels.shape[1:], kind, ctypes.byref(scan)))
        return CScan(self, scan, pixels)

    def fields(self, pixels: np.ndarray, mean: np.ndarray, std: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        out = np.empty((2, 6, *mean.shape[1:]), np.float32)
        places = [array.ctypes.data for array in (mean, std, out[0], out[1])]
        self.check(self.c.sv_fields(self.handle, *pixels.shape[1:], *places))
        return out[0], out[1]

    def order(self, pixels: np.ndarray, mean: np.ndarray, std: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        out = np.empty((2, 2 * self.c.sv_orders(self.handle), *mean.shape[1:]), np.float32)
        places = [array.ctypes.data for array in (mean, std, out[0], out[1])]
        self.check(self.c.sv_order(self.handle, *pixels.shape[1:], *places))
        return out[0], out[1]


class CScan:
    """A frame that comes in parts."""

    def __init__(self, model: CModel, handle: ctypes.c_void_p, pixels: np.ndarray) -> None:
        self.model, self.handle, self.pixels = model, handle, pixels
        self.mean, self.std = model.outputs(pixels)

    def __del__(self) -> None:
        self.model.c.sv_scan_end(self.handle)

    def push(self, lines: np.ndarray) -> tuple[int, int]:
        """Take ``lines (C, n, W)`` and give the first and the number of the rows that became complete."""
        first, rows = ctypes.c_int(), ctypes.c_int()
        code = self.model.c.sv_scan_push(
            self.handle,
            lines.ctypes.data,
            lines.shape[1],
            lines.strides[1],
            lines.strides[0],
            self.mean.ctypes.data,
            self.std.ctypes.data,
            ctypes.byref(first),
            ctypes.byref(rows),
        )
        if code:
            raise RefusedError(code, self.model.c.sv_error(self.handle).decode())
        return first.value, rows.value

    def verdict(self) -> tuple[float, float, str]:
        """Score, share of the windows that are out, and reason, of the rows so far."""
        score, out = ctypes.c_double(), ctypes.c_double()
        places = [self.mean.ctypes.data, self.std.ctypes.data, ctypes.byref(score), ctypes.byref(out)]
        code = self.model.c.sv_domain(self.handle, *places)
        if code:
            raise RefusedError(code, self.model.c.sv_error(self.handle).decode())
        return score.value, out.value, self.model.c.sv_reason(self.handle).decode()
