"""Show the results of a running service in the terminal, and write them as files if wanted.

Each frame has two lines. Above: the age of its map when it arrived here; frames that were dropped and refused so far in
its stream; results that were missed and skipped here; and the verdict, whether the frame is like the training data of
the model (in) or not (out), with a score whose limit is 1. Below: the range of each latent. A frame that turns out of
domain while it is scanned is told at once.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DataFileError, ServiceError
from ..names import file_name, json_shown, shown
from ..output_file import try_output
from . import add_force
from .text import KEPT, answer, counted, say, wrapped

if TYPE_CHECKING:
    from ..stream import Result, Subscriber

__all__ = ["add_arguments", "run"]

_GONE_S = 3.0
#: Time without a result after which the reader is told where to look, s.
_QUIET_S = 5.0
_MAX_TOLD = 64


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `shiftvae watch`."""
    parser.add_argument(
        "--from",
        dest="source",
        default="tcp://127.0.0.1:5702",
        metavar="ENDPOINT",
        help="endpoint of the service that publishes results (default %(default)s), or fleet://127.0.0.1:5779/STREAM",
    )
    parser.add_argument("--count", type=int, default=0, metavar="N", help="stop after N frames (default: never)")
    parser.add_argument("--seconds", type=float, default=0.0, metavar="S", help="stop after S seconds (default: never)")
    parser.add_argument(
        "-o",
        "--output",
        default=None,
        metavar="DIR",
        help="write the map of every frame to DIR/STREAM-FRAME.npz; letters that a file name cannot have become %%XX",
    )
    add_force(parser)
    parser.add_argument(
        "--all",
        action="store_true",
        help="show every frame, however late (default: the newest of each stream; -o keeps all)",
    )
    parser.add_argument("--key", metavar="FILE", help="key file of this client, if the service asks for one")
    parser.add_argument("--json", action="store_true", help="print one JSON line for each frame")


def run(arguments: argparse.Namespace) -> None:
    """Print a line for each complete latent map until the count, the time or the service ends."""
    from ..fleet.directory import resolve
    from ..stream import Subscriber

    arguments.source = resolve(arguments.source, "results")
    if arguments.output is not None:
        try:
            Path(arguments.output).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataFileError(f"cannot create the folder {arguments.output}: {error.strerror or error}") from None
    deadline = time.monotonic() + arguments.seconds if arguments.seconds > 0 else float("inf")
    latest = not arguments.all and arguments.output is None
    with Subscriber(arguments.source, key=arguments.key, latest=latest) as subscriber:
        subscriber.wait_ready()
        if not arguments.json:
            answer(f"watching {arguments.source}; Ctrl-C stops")
        _watch(subscriber, arguments, deadline)


def _watch(subscriber: Subscriber, arguments: argparse.Namespace, deadline: float) -> None:
    seen, heard = 0, time.monotonic()
    quiet: float | None = heard
    told: set[str] = set()
    doubted: set[tuple[str, int]] = set()
    while time.monotonic() < deadline:
        result = subscriber.receive(min(0.5, max(0.0, deadline - time.monotonic())))
        if result is not None or subscriber.connected:
            heard = time.monotonic()
        elif time.monotonic() - heard > _GONE_S:
            raise ServiceError(f"the service at {arguments.source} is gone")
        if result is None:
            if quiet is not None and time.monotonic() - quiet > _QUIET_S and not arguments.json:
                quiet = None  # once is enough
                say(f"no result for {_QUIET_S:.0f} s: `shiftvae status` counts frames and tells why they are refused")
            continue
        quiet = time.monotonic()
        if not result.complete:
            if not arguments.json and (result.stream, result.frame_seq) not in doubted and (words := _doubt(result)):
                doubted = {each for each in doubted if each[0] != result.stream} | {(result.stream, result.frame_seq)}
                print(words, flush=True)
            continue
        if arguments.output is not None:
            _write(result, Path(arguments.output), force=arguments.force)
        refused = result.counters.rejected + result.counters.quarantined
        if refused and result.stream not in told and len(told) < _MAX_TOLD:
            told.add(result.stream)
            say(f"{counted(refused, 'frame')} of {shown(result.stream)} refused: `shiftvae status` says why")
        print(_json_line(result, subscriber) if arguments.json else _line(result, subscriber, seen), flush=True)
        seen += 1
        if seen == arguments.count:
            return


def _write(result: Result, folder: Path, *, force: bool) -> None:
    from ..files import write_latent_map

    # The stream's name comes from the network: nothing in it may lead out of the folder.
    path = folder / f"{file_name(result.stream)}-{result.frame:06d}.npz"
    try_output(path, force=force)
    write_latent_map(path, result.latent_map, source=result.stream)


def _line(result: Result, subscriber: Subscriber, seen: int) -> str:
    counters = result.counters
    dropped = counters.dropped_producer + counters.dropped_stale
    refused = counters.rejected + counters.quarantined
    lines = [
        (
            f"{shown(result.stream)[:16]:<16} {result.frame:>8} {_age_ms(result, subscriber):>8.1f} "
            f"{dropped:>8} {refused:>8} {subscriber.gaps:>6} {subscriber.skipped:>7} {_verdict(result):>11}"
        ),
        *wrapped(", ".join(_range_text(result)), first="  ", rest="  "),
    ]
    verdict = result.latent_map.domain
    if verdict is not None and verdict.out_of_domain:
        lines += wrapped(f"out of domain: {shown(verdict.reason)}", first="  ", rest="  ")
    if seen % 20 == 0:
        lines.insert(
            0,
            f"{'stream':<16} {'frame':>8} {'age (ms)':>8} "
            f"{'dropped':>8} {'refused':>8} {'missed':>6} {'skipped':>7} {'verdict':>11}",
        )
    return "\n".join(lines)


def _doubt(result: Result) -> str:
    """Warning that a frame is out of domain while it is scanned; empty if there is nothing to say."""
    verdict = result.latent_map.domain
    if verdict is None or not verdict.out_of_domain:
        return ""
    lines = f"{result.valid_rows} of {result.latent_map.grid.frame_shape[0]} lines"
    name = shown(result.stream)[:16]
    words = f"out of domain: {shown(verdict.reason)}"
    return "\n".join([f"{name:<16} {result.frame:>8} {lines}", *wrapped(words, first="  ", rest="  ")])


def _range_text(result: Result) -> Iterator[str]:
    """Name, range and unit of every latent, with no-break spaces."""
    latent_map = result.latent_map
    for (name, (low, high)), unit in zip(_ranges(result).items(), latent_map.units, strict=True):
        yield f"{shown(name)} {low:.3g} to {high:.3g} {shown(unit)}".rstrip().replace(" ", KEPT)


def _json_line(result: Result, subscriber: Subscriber) -> str:
    import msgspec

    fields = {
        "stream": result.stream,
        "frame": result.frame,
        "frame_seq": result.frame_seq,
        "seq": result.seq,
        "age_ms": round(_age_ms(result, subscriber), 3),
        "missed": subscriber.gaps,
        "skipped": subscriber.skipped,
        "latents": _ranges(result),
        "domain": result.latent_map.domain,
        "model_sha256": result.latent_map.model_sha256,
        "counters": result.counters,
    }
    return json_shown(msgspec.json.encode(fields).decode())


def _age_ms(result: Result, subscriber: Subscriber) -> float:
    """Give the age of the result on its arrival here: the age at its publication plus the time on its way."""
    return (result.age_s + subscriber.behind_s) * 1e3


def _verdict(result: Result) -> str:
    """Tell in at most 11 columns whether the frame is in the domain of the model, and its score."""
    verdict = result.latent_map.domain
    return "-" if verdict is None else f"{'out' if verdict.out_of_domain else 'in'} {min(verdict.score, 9999):.2f}"


def _ranges(result: Result) -> dict[str, tuple[float, float]]:
    latent_map = result.latent_map
    return {name: (float(latent_map[name].min()), float(latent_map[name].max())) for name in latent_map.names}
