"""`shiftvae serve`: encode frames as they arrive over ZeroMQ and publish their latent maps, until it is stopped."""

from __future__ import annotations

import argparse
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..stream import Report, Service
    from . import Subparsers

__all__ = ["add"]


def add(subparsers: Subparsers) -> None:
    """Add `shiftvae serve`."""
    parser = subparsers.add_parser("serve", help="latent maps of a running scan", description=__doc__)
    parser.add_argument("model", metavar="MODEL", help="model file (.svae)")
    parser.add_argument(
        "--ingest", default="tcp://127.0.0.1:5701", metavar="ENDPOINT", help="takes frames here (default %(default)s)"
    )
    parser.add_argument(
        "--results", default="tcp://127.0.0.1:5702", metavar="ENDPOINT", help="publishes here (default %(default)s)"
    )
    parser.add_argument("--stride", type=int, default=4, help="px between windows: 1, 2, 4 or 8 (default 4)")
    parser.add_argument("--threads", type=int, default=1, help="threads of the encoder (default 1)")
    parser.add_argument(
        "--max-age", type=_seconds, default=0.25, metavar="S", help="drop live frames older than this (default 0.25 s)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON line when ready, one when stopped")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Load the model, listen, serve until SIGINT or SIGTERM."""
    from ..mapper import LatentMapper
    from ..stream import Service

    mapper = LatentMapper(arguments.model, stride=arguments.stride, threads=arguments.threads)
    service = Service(mapper, ingest=arguments.ingest, results=arguments.results, max_age_s=arguments.max_age)
    stop_on_signals(service)
    _say_ready(service, mapper.window, arguments)
    service.run()
    _say_stopped(service.report(), arguments)


def stop_on_signals(service: Service) -> None:
    """The first SIGINT, SIGTERM or Ctrl-Break asks the service to stop in order; the second ends the process."""
    names = ("SIGINT", "SIGTERM", "SIGBREAK")  # the last is Windows' Ctrl-Break
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]

    def stop(*_: object) -> None:
        service.stop()
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)

    for number in numbers:
        signal.signal(number, stop)


def _say_ready(service: Service, window: tuple[int, int], arguments: argparse.Namespace) -> None:
    if arguments.json:
        import msgspec

        ready = {"event": "ready", "ingest": service.ingest, "results": service.results, "epoch": service.epoch}
        print(msgspec.json.encode(ready).decode(), flush=True)
        return
    print(
        f"serving {arguments.model} (window {window[0]} x {window[1]} px, stride {arguments.stride}): "
        f"frames to {service.ingest}, latent maps from {service.results}; Ctrl-C stops",
        flush=True,
    )


def _say_stopped(report: Report, arguments: argparse.Namespace) -> None:
    from ..stream import counters_line

    if arguments.json:
        import msgspec

        print(msgspec.json.encode({"event": "stopped", **msgspec.to_builtins(report)}).decode())
        return
    print(f"stopped: {counters_line(report.total)}")
    if report.age_p50_ms is not None:
        print(
            f"age of results p50 {report.age_p50_ms:.1f} ms, p99 {report.age_p99_ms:.1f} ms; "
            f"encoding p50 {report.encode_p50_ms:.1f} ms, p99 {report.encode_p99_ms:.1f} ms"
        )
    if report.malformed:
        print(f"{report.malformed} messages were not of this protocol")


def _seconds(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"expected seconds above 0, got {text}")
    return value
