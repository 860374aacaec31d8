"""Show the status of a running service, or of a fleet; swap the model of a service, or stop it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ..errors import ServiceError
from ..names import json_shown, shown
from ..verdict import verdict_text
from .text import answer, counted, described, say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..stream import Control
    from ..stream.protocol.control_messages import ServiceStatus

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `shiftvae status`."""
    _add_control(parser)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--streams", action="store_true", help="list the streams of the journal")
    what.add_argument(
        "--swap", metavar="NAME.svae", help="serve this model of the service's folder of models from the next frame on"
    )
    what.add_argument("--stop", action="store_true", help="stop the service cleanly")
    parser.add_argument("--json", action="store_true", help="print the answer as one JSON line")


def _add_control(parser: argparse.ArgumentParser) -> None:
    """Add the options that name the service."""
    parser.add_argument(
        "--control",
        default="tcp://127.0.0.1:5703",
        metavar="ENDPOINT",
        help="endpoint of the service (default %(default)s), or fleet://127.0.0.1:5779",
    )
    parser.add_argument("--key", metavar="FILE", help="key file of this client, if the service asks for one")


def run(arguments: argparse.Namespace) -> None:
    """Ask, and print the answer."""
    from ..fleet.directory import is_fleet
    from ..stream import Control

    if is_fleet(arguments.control):
        _fleet(arguments)
        return

    def waiting(since_s: float) -> None:
        say(f"the service at {arguments.control} has not answered for {since_s:.0f} s; waiting, Ctrl-C gives up")

    with Control(arguments.control, key=arguments.key, waiting=waiting) as control:
        if arguments.stop:
            control.stop()
            print("the service stops")
        elif arguments.swap is not None:
            swapped = control.swap(arguments.swap)
            print(described([("model", swapped.model_sha256), ("before", swapped.previous_sha256)], column=10))
        elif arguments.streams:
            _streams(control, arguments.json)
        else:
            _status(control, arguments.json)


def _fleet(arguments: argparse.Namespace) -> None:
    from ..fleet.directory import fleet_status

    if arguments.stop or arguments.swap is not None or arguments.streams:
        raise ServiceError(
            f"{arguments.control} is a fleet: --stop, --swap and --streams are for one service, whose endpoint "
            "`shiftvae status --json` gives; Ctrl-C or SIGTERM stops a fleet"
        )
    found = fleet_status(arguments.control)
    if arguments.json:
        import msgspec

        print(json_shown(msgspec.json.encode(found).decode()))
        return
    ready = sum(service.state == "ready" for service in found.services)
    answer(f"fleet: {ready} of {counted(len(found.services), 'service')} ready, up {found.uptime_s:.0f} s")
    for service in found.services:
        why = f", {counted(service.restarts, 'restart')}: {shown(service.reason)}" if service.reason else ""
        answer(
            f"{service.name}: {service.state}, offered {service.offered}, processed {service.processed}, streams "
            f"{shown(', '.join(service.streams))}, control {service.control}{why}"
        )


def _status(control: Control, as_json: bool) -> None:
    status = control.status()
    if as_json:
        import msgspec

        print(json_shown(msgspec.json.encode(status).decode()))
        return
    print(described(_rows(status), column=10))


def _rows(status: ServiceStatus) -> Iterator[tuple[str, str]]:
    """Give the state of a service, with the verdict on its frames and the reasons of refusals."""
    from ..stream import counters_line

    report = status.report
    yield "service", f"{'ready' if status.ready else 'stopping'}, up {status.uptime_s:.0f} s, epoch {status.epoch}"
    model = f"{shown(status.model)} ({status.model_sha256[:16]}), stride {status.stride}"
    yield "model", f"{model}, {counted(status.swaps, 'swap')}"
    yield "clients", f"{counted(status.producers, 'producer')}, {counted(status.readers, 'reader')}"
    age = ""
    if report.age_p50_ms is not None:
        age = f", age p50 {report.age_p50_ms:.1f} ms, p99 {report.age_p99_ms:.1f} ms"
    yield "results", f"{report.results}{age}"
    yield "frames", counters_line(report.total)
    out = report.out_of_domain
    unlike = f"{counted(out, 'frame')} out of domain: unlike the training data of the model"
    yield "verdict", unlike if out else "no frame out of domain"
    for newest in report.verdicts:
        lines = "" if newest.lines == newest.height else f", {newest.lines} of {newest.height} lines"
        yield "", f"{shown(newest.stream)}, frame {newest.frame}{lines}: {shown(verdict_text(newest.verdict))}"
    for refusal in report.refusals:
        yield "refused", f"{shown(refusal.name)}, {refusal.count} of {shown(refusal.stream)}: {shown(refusal.text)}"


def _streams(control: Control, as_json: bool) -> None:
    from ..stream import counters_line

    found = control.streams()
    if as_json:
        import msgspec

        print(json_shown(msgspec.json.encode(found).decode()))
        return
    for state in found.streams:
        how = "ended" if state.ended else "connected" if state.name in found.live else "interrupted"
        answer(f"{shown(state.name)} ({state.mode}, {how}): {counters_line(state.counters)}")
