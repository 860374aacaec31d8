"""Show the status of a running service; swap its model, or stop it."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from ..names import json_shown, shown

if TYPE_CHECKING:
    from ..stream import Control

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `shiftvae status`."""
    _add_control(parser)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--streams", action="store_true", help="list the streams of its journal")
    what.add_argument("--swap", metavar="NAME.svae", help="serve with this model of its folder of models from now on")
    what.add_argument("--stop", action="store_true", help="stop it in order")
    parser.add_argument("--json", action="store_true", help="one JSON line")


def _add_control(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which service is asked."""
    parser.add_argument(
        "--control", default="tcp://127.0.0.1:5703", metavar="ENDPOINT", help="the service's (default %(default)s)"
    )
    parser.add_argument("--key", metavar="FILE", help="our key file, if the service asks for one")


def run(arguments: argparse.Namespace) -> None:
    """Ask, and print the answer."""
    from ..stream import Control

    def waiting(since_s: float) -> None:
        print(
            f"shiftvae: the service at {arguments.control} is there and has not answered for {since_s:.0f} s: waiting "
            "for it (Ctrl-C gives up)",
            file=sys.stderr,
        )

    with Control(arguments.control, key=arguments.key, waiting=waiting) as control:
        if arguments.stop:
            control.stop()
            print("it stops")
        elif arguments.swap is not None:
            swapped = control.swap(arguments.swap)
            print(f"from the next frame on {swapped.model_sha256}, until then {swapped.previous_sha256}")
        elif arguments.streams:
            _streams(control, arguments.json)
        else:
            _status(control, arguments.json)


def _status(control: Control, as_json: bool) -> None:
    from ..stream import counters_line

    status = control.status()
    if as_json:
        import msgspec

        print(json_shown(msgspec.json.encode(status).decode()))
        return
    report = status.report
    print(f"{'ready' if status.ready else 'stopping'}, up {status.uptime_s:.0f} s, epoch {status.epoch}")
    print(f"model {shown(status.model)} ({status.model_sha256[:16]}), stride {status.stride}, {status.swaps} swaps")
    print(f"{status.producers} producers, {status.readers} readers, {report.results} results")
    print(counters_line(report.total))
    for refusal in report.refusals:
        reason = shown(f"{refusal.name}: {refusal.text}")
        print(f"refused {refusal.count} of {shown(refusal.stream)}; the last: {reason}")
    if report.out_of_domain:
        print(f"{report.out_of_domain} frames out of domain: unlike the training data of the model")
    if report.age_p50_ms is not None:
        print(f"age p50 {report.age_p50_ms:.1f} ms, p99 {report.age_p99_ms:.1f} ms")


def _streams(control: Control, as_json: bool) -> None:
    from ..stream import counters_line

    answer = control.streams()
    if as_json:
        import msgspec

        print(json_shown(msgspec.json.encode(answer).decode()))
        return
    for state in answer.streams:
        how = "ended" if state.ended else "connected" if state.name in answer.live else "interrupted"
        print(f"{shown(state.name)} ({state.mode}, {how}): {counters_line(state.counters)}")
