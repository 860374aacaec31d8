"""Compute the latent maps of frames as they arrive over ZeroMQ, and publish them until stopped."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..names import json_shown, shown
from . import add_encoding, say_encoding
from .text import answer, counted

if TYPE_CHECKING:
    from ..fleet import Fleet
    from ..stream import Report, Service

__all__ = ["add_arguments", "run"]

_NICE = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `shiftvae serve`."""
    parser.add_argument("model", metavar="MODEL", help="model file (.svae)")
    for name, port, what in (
        ("ingest", 5701, "endpoint that takes frames"),
        ("results", 5702, "endpoint that publishes latent maps"),
        ("control", 5703, "endpoint that answers `shiftvae status` and readers of the journal; 'off': none"),
    ):
        endpoint = f"tcp://127.0.0.1:{port}"
        parser.add_argument(
            f"--{name}", default=endpoint, metavar="ENDPOINT", help=f"{what} (default %(default)s); port 0: a free port"
        )
    parser.add_argument(
        "--open-ingest",
        metavar="ENDPOINT",
        help="also take frames that foreign programs PUSH to this endpoint, without any promise (default: none)",
    )
    parser.add_argument(
        "--http",
        default="127.0.0.1:5780",
        metavar="ADDRESS",
        help="address of the live page, /livez, /readyz and /metrics (default %(default)s); 'off': none",
    )
    parser.add_argument("--no-page", action="store_true", help="serve no live page; with --keys there is none")
    parser.add_argument("--stride", type=int, default=4, metavar="PX", help="px between windows (default 4)")
    parser.add_argument(
        "--threads", type=int, default=1, metavar="N", help="threads that share a whole frame (default 1)"
    )
    add_encoding(parser)
    parser.add_argument(
        "--max-age",
        type=_seconds,
        default=0.25,
        metavar="S",
        help="drop live frames older than S seconds (default 0.25)",
    )
    parser.add_argument("--journal", type=Path, metavar="FILE", help="file that keeps lossless streams")
    parser.add_argument("--record", action="store_true", help="also keep the results of live streams in the journal")
    parser.add_argument("--keys", type=Path, metavar="FOLDER", help="folder of `shiftvae keys`: admit only its clients")
    parser.add_argument(
        "--models", type=Path, metavar="FOLDER", help="folder of the models that `shiftvae status --swap` may choose"
    )
    parser.add_argument(
        "--signed-by",
        type=Path,
        metavar="NAME.pub",
        help="serve only models that this key has signed (`shiftvae sign`)",
    )
    parser.add_argument(
        "--priority",
        choices=("below-normal", "normal"),
        default="below-normal",
        help="priority of the process; below normal, it gives way to the acquisition (default %(default)s)",
    )
    parser.add_argument(
        "--json", action="store_true", help="print JSON lines: one when ready, one when stopped, and the log"
    )


def run(arguments: argparse.Namespace) -> None:
    """Load the model, listen, serve until SIGINT or SIGTERM."""
    from ..encode.mapper import LatentMapper
    from ..errors import ServiceError
    from ..model.model_file import ModelFile
    from ..stream import Options, Service

    if arguments.record and arguments.journal is None:
        raise ServiceError("--record keeps results in the journal: give --journal FILE too")
    if arguments.priority == "below-normal":
        give_way()
    model = ModelFile.read(arguments.model, signed_by=arguments.signed_by)
    mapper = LatentMapper(model, stride=arguments.stride, threads=arguments.threads, provider=arguments.provider)
    say_encoding(mapper, arguments)
    options = Options(
        control=None if arguments.control == "off" else arguments.control,
        open_ingest=arguments.open_ingest,
        http=None if arguments.http == "off" else arguments.http,
        page=not arguments.no_page,
        journal=arguments.journal,
        record=arguments.record,
        keys=arguments.keys,
        models=arguments.models,
        signed_by=arguments.signed_by,
        max_age_s=arguments.max_age,
        threads=arguments.threads,
    )
    service = Service(mapper, ingest=arguments.ingest, results=arguments.results, options=options)
    log_lines(arguments.json)
    stop_on_signals(service)
    _say_ready(service, mapper.window, arguments)
    service.run()
    _say_stopped(service.report(), arguments)


def stop_on_signals(service: Service | Fleet) -> None:
    """Stop it cleanly on the first SIGINT, SIGTERM or Ctrl-Break; the second ends the process."""
    names = ("SIGINT", "SIGTERM", "SIGBREAK")  # the last is Windows' Ctrl-Break
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]

    def stop(*_: object) -> None:
        service.stop()
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)

    for number in numbers:
        signal.signal(number, stop)


def give_way() -> None:
    """Run below normal priority, if the system allows it."""
    if sys.platform == "win32":
        import ctypes

        below_normal = 0x4000
        kernel = ctypes.windll.kernel32
        kernel.SetPriorityClass(kernel.GetCurrentProcess(), below_normal)
    elif os.nice(0) < _NICE:
        os.nice(_NICE - os.nice(0))


def log_lines(as_json: bool) -> None:
    """Log to stderr, one line for each event, as JSON if a program reads it."""
    handler = logging.StreamHandler()
    handler.setFormatter(_JsonLines() if as_json else _PlainLines("shiftvae: %(levelname)s: %(message)s"))
    root = logging.getLogger("shiftvae_rt")
    root.handlers, root.propagate = [handler], False
    root.setLevel(logging.INFO)


class _PlainLines(logging.Formatter):
    """One line for each event; unprintable characters are escaped, since they may come from outside."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # the base class calls it so
        return shown(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802
        return "\n".join(map(shown, super().formatException(ei).splitlines()))


class _JsonLines(logging.Formatter):
    """One JSON object for each event, on a line."""

    def format(self, record: logging.LogRecord) -> str:
        import msgspec

        fields = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return json_shown(msgspec.json.encode(fields).decode())


def _say_ready(service: Service, window: tuple[int, int], arguments: argparse.Namespace) -> None:
    if arguments.json:
        import msgspec

        names = ("ingest", "results", "control", "open_ingest", "http", "page", "epoch")
        ready = {"event": "ready", **{name: getattr(service, name) for name in names}, "pid": os.getpid()}
        print(msgspec.json.encode(ready).decode(), flush=True)
        return
    answer(
        f"serving {arguments.model} (window {window[0]} x {window[1]} px, stride {arguments.stride}): "
        f"frames to {service.ingest}, latent maps from {service.results}; Ctrl-C stops"
    )
    if service.page is not None:
        print(f"live page: {service.page}", flush=True)


def _say_stopped(report: Report, arguments: argparse.Namespace) -> None:
    from ..stream import counters_line

    if arguments.json:
        import msgspec

        print(msgspec.json.encode({"event": "stopped", **msgspec.to_builtins(report)}).decode())
        return
    answer(f"stopped: {counters_line(report.total)}")
    if report.age_p50_ms is not None:
        print(f"age of results p50 {report.age_p50_ms:.1f} ms, p99 {report.age_p99_ms:.1f} ms")
        print(f"encoding p50 {report.encode_p50_ms:.1f} ms, p99 {report.encode_p99_ms:.1f} ms")
    if report.malformed:
        print(f"{counted(report.malformed, 'message')} not of this protocol")


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not value > 0:
        raise argparse.ArgumentTypeError(f"expected a number of seconds above 0, got {text!r}")
    return value
