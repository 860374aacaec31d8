"""Replay the frames of a file to a running service, as a microscope would send them."""

from __future__ import annotations

import argparse
import contextlib
import shlex
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Literal

from ..errors import DataFileError, FrameError, ServiceError
from ..names import MAX_NAME, json_shown, shown
from .text import answer, counted, say

if TYPE_CHECKING:
    from ..frame import Frame
    from ..stream import Counters, Producer

__all__ = ["add_arguments", "add_pace", "run", "stream_frames"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `shiftvae send`."""
    parser.add_argument("file", metavar="FILE", help="microscope file, as for `shiftvae map`")
    parser.add_argument(
        "--frames", type=_range, default=slice(None), metavar="A:B", help="frames A to B-1 of a stack (default: all)"
    )
    add_pace(parser, "the name of the file")


def add_pace(parser: argparse.ArgumentParser, default_stream: str) -> None:
    """Add the options of every command that offers frames."""
    parser.add_argument("--stream", metavar="NAME", help=f"name of the stream (default: {default_stream})")
    parser.add_argument(
        "--to",
        default="tcp://127.0.0.1:5701",
        metavar="ENDPOINT",
        help="endpoint of the service (default %(default)s), or fleet://127.0.0.1:5779, which finds that of the stream",
    )
    parser.add_argument(
        "--fps",
        type=float,
        default=10.0,
        metavar="F",
        help="frames a second (default 10); 0: as fast as the service takes them",
    )
    parser.add_argument(
        "--rows", type=int, default=0, metavar="N", help="send bands of N scan lines (default: whole frames)"
    )
    parser.add_argument(
        "--wait",
        action="store_true",
        help="wait for each frame's outcome, so that none is dropped (implied by --fps 0)",
    )
    parser.add_argument(
        "--lossless",
        action="store_true",
        help="deliver every frame exactly once, through the journal of the service, whatever crashes",
    )
    parser.add_argument("--key", metavar="FILE", help="key file of this client, if the service asks for one")
    parser.add_argument("--json", action="store_true", help="print the report as one JSON line")


def run(arguments: argparse.Namespace) -> None:
    """Connect, read, replay, report."""
    from ..files import read_frames, split_name

    def frames(dimensions: int) -> Iterator[tuple[int, Frame]]:
        stack = read_frames(arguments.file, dimensions=dimensions)
        numbers = range(len(stack))[arguments.frames]
        if not numbers:
            raise DataFileError(
                f"{arguments.file} has {counted(len(stack), 'frame')}, none of which --frames selects: select others"
            )
        return ((number, stack[number]) for number in numbers)

    stream = arguments.stream or split_name(arguments.file)[0].stem[:MAX_NAME].strip()
    stream_frames(arguments, stream, frames)


def stream_frames(
    arguments: argparse.Namespace, stream: str, frames: Callable[[int], Iterable[tuple[int, Frame]]]
) -> None:
    """Offer numbered frames at the pace of `arguments` and print what became of them.

    `frames` makes them once the service has said whether its model takes 1D signals or 2D images.
    """
    from ..fleet.directory import resolve
    from ..stream import Pace, Producer, replay

    arguments.to = resolve(arguments.to, "ingest", stream)
    pace = Pace(arguments.fps, arguments.rows, arguments.wait)
    if arguments.lossless:
        _send_lossless(arguments, stream, frames)
        return
    mode: Literal["live", "replay"] = "replay" if pace.waits else "live"
    refusals: list[str] = []
    with Producer(arguments.to, stream=stream, mode=mode, key=arguments.key) as producer:
        producer.listen(lambda outcome: refusals.append(outcome.reason) if outcome.reason else None)
        numbered = frames(producer.wait_ready().dimensions)
        started = said = time.perf_counter()
        with contextlib.suppress(ServiceError):  # the report below says that the service went away, and what it cost
            for number in replay(producer, numbered, pace):
                if time.perf_counter() - said > 2:
                    said = time.perf_counter()
                    say(f"frame {number} sent, {producer.counters.offered} so far")
        seconds = time.perf_counter() - started
    _report(producer, stream, seconds, arguments, refusals)


def _send_lossless(
    arguments: argparse.Namespace, stream: str, frames: Callable[[int], Iterable[tuple[int, Frame]]]
) -> None:
    """Send every frame that the journal does not have yet, and wait until all are committed."""
    from ..stream import LosslessProducer, counters_line

    if arguments.rows:
        raise FrameError(f"a lossless stream takes whole frames, got --rows {arguments.rows}: leave it out")
    started = time.monotonic()
    with LosslessProducer(arguments.to, stream=stream, key=arguments.key) as producer:
        welcome = producer.wait_ready()
        for index, (number, frame) in enumerate(frames(welcome.dimensions)):
            if index < welcome.next_seq - 1:
                continue
            if arguments.fps > 0:
                time.sleep(max(0.0, started + (index - welcome.next_seq + 1) / arguments.fps - time.monotonic()))
            producer.send(frame, number=number)
    counters = producer.counters
    if arguments.json:
        import msgspec

        print(json_shown(msgspec.json.encode({"stream": stream, **msgspec.to_builtins(counters)}).decode()))
    else:
        answer(f"{shown(stream)}: {counters_line(counters)}, committed")
    _say_refused(counters, f"`shiftvae export JOURNAL {shlex.quote(stream)}` lists the reasons")


def _report(
    producer: Producer, stream: str, seconds: float, arguments: argparse.Namespace, refusals: list[str]
) -> None:
    from ..stream import counters_line

    counters, error = producer.counters, producer.last_error or "".join(refusals[-1:])
    per_s = counters.offered / seconds if seconds > 0 else 0.0
    if arguments.json:
        import msgspec

        figures = {"stream": stream, "seconds": round(seconds, 3), "frames_per_s": round(per_s, 3), "last_error": error}
        print(json_shown(msgspec.json.encode({**figures, **msgspec.to_builtins(counters)}).decode()))
    else:
        answer(f"{shown(stream)}: {counters_line(counters)}; {per_s:.3g} frames/s")
    if not producer.confirmed:
        raise ServiceError(
            f"the service at {arguments.to} went away ({error or 'no answer to END'}): "
            "frames that it may have processed are counted as dropped above"
        )
    _say_refused(counters, f"the last: {''.join(refusals[-1:])}")


def _say_refused(counters: Counters, why: str) -> None:
    """Warn of frames that were refused; an error if all were."""
    refused = counters.rejected + counters.quarantined
    if refused:
        text = f"{refused} of {counters.offered} frames were refused; {why}"
        if counters.processed == 0:
            raise FrameError(text)
        print(f"shiftvae: warning: {shown(text)}", file=sys.stderr)


def _range(text: str) -> slice:
    first, colon, last = text.partition(":")
    if not colon or not all(end.isdecimal() or not end for end in (first, last)):
        raise argparse.ArgumentTypeError(f"expected A:B, A: or :B with whole numbers, got {text!r}")
    return slice(int(first) if first else None, int(last) if last else None)
