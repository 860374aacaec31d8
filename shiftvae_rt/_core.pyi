"""Compiled kernels, for `windows`, `filter_bank`, `readout` and `assembly` of shiftvae_rt, which check and allocate."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

_Frame: TypeAlias = NDArray[Any]
_Float32: TypeAlias = NDArray[np.float32]
_Float64: TypeAlias = NDArray[np.float64]
_Int64: TypeAlias = NDArray[np.int64]
_Size: TypeAlias = tuple[int, int]
_Powers: TypeAlias = Sequence[Sequence[int]]

def extract_windows(
    frame: _Frame,
    window: _Size,
    stride: int,
    normalisation: str,
    sd_floor: float,
    centre: _Float64 | None,
    out: _Float32,
    threads: int,
) -> None: ...
def extract_windows_at(
    frame: _Frame, origins: _Int64, window: _Size, normalisation: str, sd_floor: float, out: _Float32, threads: int
) -> None: ...
def window_statistics(
    frame: _Frame,
    window: _Size,
    stride: int,
    centre: _Float64 | None,
    mean: _Float32,
    sd: _Float32,
    threads: int,
) -> None: ...
def convert_frame(frame: _Frame, centre: _Float64, out: _Float32, threads: int) -> bool: ...
def difference_frame(frame: _Frame, out: _Float32, threads: int) -> bool: ...

class FilterBank:
    def __init__(self, filters: _Float64, stride: int, segment: int) -> None: ...
    def apply(self, frame: _Frame, normalisation: str, sd_floor: float, centre: _Float64, out: _Float32) -> None: ...

class LatticeFields:
    def __init__(
        self,
        *,
        shape: _Size,
        first: tuple[float, float],
        stride: float,
        aspect: float,
        vectors: Sequence[Sequence[float]],
        gradient: Sequence[Sequence[float]],
        half: int,
        slope: Sequence[Sequence[float]],
    ) -> None: ...
    def rows_with(self, more: int) -> int: ...
    def push(self, shift: _Float32, sd: _Float32, out: _Float32) -> None: ...

class Superlattice:
    def __init__(
        self, *, turns: tuple[float, float], vectors: Sequence[Sequence[float]], gradient: Sequence[Sequence[float]]
    ) -> None: ...
    def fields(
        self,
        origin: tuple[float, float] | None,
        planes: _Float32,
        first_y: float,
        stride: float,
        out: _Float32,
    ) -> list[float]: ...

class DenseModel:
    def __init__(
        self,
        stem: Sequence[tuple[_Float32, int]],
        relu: bool,
        turn: tuple[_Powers, _Powers] | None,
        head: Sequence[tuple[_Float32, _Float32]],
        stride: int,
        readout: Readout,
        channel_scale: Sequence[float],
        sd_floor: float,
    ) -> None: ...
    @property
    def channels(self) -> int: ...
    @property
    def window(self) -> _Size: ...

class DenseRows:
    def __init__(self, model: DenseModel, width: int, step: int, centre: _Float64) -> None: ...
    @property
    def first_line(self) -> int: ...
    @property
    def latents(self) -> int: ...
    @property
    def cols(self) -> int: ...
    def push(self, lines: _Frame, top: int, mean: _Float32, sd: _Float32) -> bool: ...
    def stop(self) -> None: ...

def window_deviations(
    lines: _Frame,
    window: _Size,
    stride: int,
    centre: _Float64,
    channel_scale: Sequence[float],
    sd_floor: float,
    out: _Float32,
) -> None: ...
def frame_centre(lines: _Frame, window_height: int) -> list[float]: ...

class Readout:
    def __init__(
        self,
        *,
        axes: int,
        vectors: Sequence[Sequence[float]],
        planar_px: float,
        planar_reach_px: float,
        angle_period: float,
        scale_prior: float,
        content: int,
        further: Sequence[Sequence[Sequence[float]]],
    ) -> None: ...
    @property
    def planes(self) -> int: ...
    @property
    def latents(self) -> int: ...
    def read(self, code: _Float32, mean: _Float32, sd: _Float32, threads: int) -> None: ...

class Rounds:
    def __init__(
        self,
        *,
        points: _Float32,
        motif: _Float32,
        inverse: _Float32,
        deviation: _Float32,
        window: _Size,
        period: float,
        grows: bool,
    ) -> None: ...
    def improve(self, windows: _Float32, mean: _Float32, sd: _Float32) -> None: ...

def assemble_latent_map(
    values: _Float32,
    precision: _Float32,
    frame_shape: _Size,
    window: _Size,
    stride: int,
    out: _Float32,
    threads: int,
) -> bool: ...
def place_at_motifs(
    values: _Float32,
    precision: _Float32,
    shift_y: _Float32,
    shift_x: _Float32,
    frame_shape: _Size,
    window: _Size,
    stride: int,
    out: _Float32,
    threads: int,
) -> bool: ...
def stream_fill(out: _Float32, value: float) -> None: ...
def multiply_add(steps: int) -> int: ...
def isas() -> list[str]: ...
def isa() -> str: ...
def use_isa(name: str) -> None: ...
