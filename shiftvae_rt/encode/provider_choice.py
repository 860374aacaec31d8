"""The provider ``"auto"``: the fastest is measured once on this machine, and the answer is kept."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import platform
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from ..errors import ProviderError
from ..kernels.window_grid import WindowGrid
from ..model.model_file import ModelFile
from .bands import encode_in_bands
from .onnx_graph import available_providers, runtime_version
from .routes import choose_route, usual_provider

__all__ = ["ON_CPU", "ProviderChoice", "choose_provider"]

#: Providers whose work several threads share.
ON_CPU = ("native", "onnxruntime")

#: Side of the frame, and length of the signal, that is encoded to compare; runs of each provider.
SIDE, LENGTH, RUNS = 512, 1 << 14, 5


@dataclass(frozen=True)
class ProviderChoice:
    """A provider, and the reason for it in words."""

    provider: str
    reason: str


def choose_provider(model: ModelFile, stride: int, *, threads: int, wanted: str | None) -> ProviderChoice:
    """Settle which provider runs a model: the one that is `wanted`, or by default the usual one on the CPU.

    For ``"auto"`` it is the one that encodes a frame of 512 x 512 px fastest on this machine. It is measured once for a
    model, stride, number of threads, version of onnxruntime and machine, and kept in the user's cache folder
    (``shiftvae-rt/providers.json``). Delete that file to measure again.

    Raises
    ------
    ProviderError
        if onnxruntime is missing.
    """
    if wanted is None:
        return ProviderChoice(usual_provider(model), "the usual one of this model")
    if wanted != "auto":
        return ProviderChoice(wanted, "as requested")
    usual = [usual_provider(model)]
    offered = [*usual, *(provider for provider in available_providers() if provider not in usual)]
    if len(offered) == 1:
        return ProviderChoice(offered[0], "the only one that runs this model here")
    machine = (platform.node(), platform.processor(), runtime_version(), *offered)
    key = hashlib.sha256(repr((model.sha256, stride, threads, machine)).encode()).hexdigest()
    kept = _read()
    if key in kept and kept[key].provider in offered:
        return kept[key]
    choice = _measure(model, stride, threads, offered)
    try:
        _write(kept | {key: choice})
    except OSError as error:
        return ProviderChoice(choice.provider, f"{choice.reason}; not kept: {error}")
    return choice


def _measure(model: ModelFile, stride: int, threads: int, offered: list[str]) -> ProviderChoice:
    manifest = model.manifest
    shape = (manifest.channels, 1, LENGTH) if manifest.dimensions == 1 else (manifest.channels, SIDE, SIDE)
    shape = (shape[0], max(shape[1], manifest.window[0]), max(shape[2], manifest.window[1]))
    frame, centre = np.random.default_rng(0).integers(0, 4096, shape, dtype=np.uint16), np.zeros(manifest.channels)
    grid = WindowGrid((shape[1], shape[2]), manifest.window, stride)
    found: dict[str, float] = {}
    failed: list[str] = []
    for provider in offered:
        try:
            route = choose_route(model, stride, provider=provider)
            sharing = threads if provider in ON_CPU else 1
            encode_in_bands(route, frame, centre, grid, len(manifest.latents), threads=sharing)
        except ProviderError as error:
            failed.append(str(error))
            continue
        seconds = []
        for _ in range(RUNS):
            start = time.perf_counter()
            encode_in_bands(route, frame, centre, grid, len(manifest.latents), threads=sharing)
            seconds.append(time.perf_counter() - start)
        found[provider] = float(np.median(seconds))
    best = min(found, key=lambda provider: found[provider])
    figures = ", ".join(f"{provider} {1e3 * value:.2g} ms a frame" for provider, value in found.items())
    today = dt.datetime.now(dt.timezone.utc).date()
    return ProviderChoice(best, "; ".join([f"measured on {today}: {figures}", *failed]))


def _file() -> Path:
    if sys.platform == "win32":
        folder = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        folder = Path.home() / "Library" / "Caches"
    else:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return folder / "shiftvae-rt" / "providers.json"


def _read() -> dict[str, ProviderChoice]:
    """Read the choices that were kept; none from a file that cannot be read, which is then written anew."""
    try:
        return msgspec.json.decode(_file().read_bytes(), type=dict[str, ProviderChoice])
    except (OSError, msgspec.DecodeError):
        return {}


def _write(choices: dict[str, ProviderChoice]) -> None:
    file = _file()
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    part.write_bytes(msgspec.json.encode(choices))
    part.replace(file)
