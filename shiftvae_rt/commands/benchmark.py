"""Measure how fast this machine is with a model.

Frames a second by stride and threads, the delay of a row of the map after its last scan line, and what one core does
at most, to compare with. Takes about half a minute; other programs that run meanwhile make the figures worse.
"""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from ..names import shown
from . import add_provider
from .text import described, say

if TYPE_CHECKING:
    from ..benchmark import Limits, ModelSpeed
    from ..model.model_file import ModelFile

__all__ = ["add_arguments", "run"]

#: Instruction sets as their makers write them.
_ISA = {"avx512": "AVX-512", "avx2": "AVX2", "sse2": "SSE2", "neon": "NEON", "plain": "no vector instructions"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `shiftvae benchmark`."""
    parser.add_argument("model", metavar="MODEL", help="model file (.svae)")
    parser.add_argument("--size", type=int, default=512, metavar="PX", help="edge of a frame (default 512)")
    add_provider(parser)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")


def run(arguments: argparse.Namespace) -> None:
    """Measure the machine, then the model, and print both."""
    from ..benchmark import describe_machine, measure_limits, measure_model
    from ..model.model_file import ModelFile

    model = ModelFile.read(arguments.model)
    machine = describe_machine()
    say("measuring the machine ...")
    limits = measure_limits()
    speed = measure_model(
        model, size=arguments.size, provider=arguments.provider, say=lambda words: say(f"{words} ...")
    )
    if not arguments.json:
        print("\n".join(_table(machine, limits, model, speed)))
        return
    import msgspec

    figures = {
        "machine": machine,
        "limits": msgspec.to_builtins(limits),
        "model": {"path": str(model.path), "sha256": model.sha256, "window": model.manifest.window},
        **msgspec.to_builtins(speed),
    }
    print(json.dumps(figures, indent=1))


def _table(machine: dict[str, Any], limits: Limits, model: ModelFile, speed: ModelSpeed) -> list[str]:
    """Lines of at most 80 columns."""
    manifest, (channels, *frame) = model.manifest, speed.frame
    size = f"{frame[1]} px" if manifest.dimensions == 1 else f"{frame[0]} x {frame[1]} px"
    window = f"{manifest.window[1]} px" if manifest.dimensions == 1 else "{} x {} px".format(*manifest.window)
    load = "" if machine["load"] is None else f", load {machine['load']:.1f} before"
    lines = [
        ("machine", f"{shown(machine['cpu'])}, {machine['cores']} cores"),
        ("", f"{_ISA[machine['isa']]}, {machine['system']}, onnxruntime {machine['onnxruntime']}{load}"),
        ("one core", f"multiply-add {limits.multiply_add_gflops:.0f} GFLOP/s"),
        ("", f"memory {limits.write_gb_per_s:.1f} GB/s written, {limits.copy_gb_per_s:.1f} GB/s copied"),
        ("model", f"{shown(str(model.path))}: {manifest.encoder}, window {window}"),
        ("frames", f"{size}{f', {channels} channels' if channels > 1 else ''}, provider {speed.provider}"),
    ]
    threads = sorted({each.threads for each in speed.frames})
    found = {(each.stride, each.threads): each for each in speed.frames}
    delays = {row.stride: row for row in speed.rows}
    titles = [f"{n} thread{'s' if n > 1 else ''}" for n in threads]
    head = ["frames/s"] + [""] * (len(threads) - 1) + (["row delay (ms)", ""] if delays else [])
    below = titles + (["p50", "p99"] if delays else [])
    table = [described(lines, column=10), "", _cells("", head), _cells("stride", below)]
    for stride in sorted({each.stride for each in speed.frames}):
        cells = [f"{found[stride, n].frames_per_s:.4g}" for n in threads]
        if stride in delays:
            cells += [f"{delays[stride].p50_ms:.3g}", f"{delays[stride].p99_ms:.3g}"]
        table.append(_cells(str(stride), cells))
    return table


def _cells(first: str, others: list[str]) -> str:
    return "".join([f"{first:>6}", *(f"{text:>16}" for text in others)]).rstrip()
