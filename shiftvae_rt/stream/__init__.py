"""Live latent maps over ZeroMQ: the service, the producers that feed it, and the readers of its results.

Frames go from `producer` to `service`; results go from there to `reader` and, in lossless mode, through `journal`.
`protocol` holds the messages and `transport` the sockets. Import contracts list the modules that may import zmq; the
messages are specified in ``docs/reference/protocol.md``.

Names are imported when they are first used: a client needs neither the compiled core nor the service.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .journal.export import export_stream, stream_state
    from .journal.journal_reader import JournalReader, Record
    from .producer.lossless_producer import LosslessProducer
    from .producer.producer import Producer
    from .producer.replay import Pace, replay
    from .protocol.counters import Counters
    from .protocol.report import Report, counters_line
    from .protocol.results import Result
    from .protocol.stream_state import StreamState
    from .reader.control_client import Control, RecordedFrame
    from .reader.subscriber import Subscriber
    from .service.health import HTTP
    from .service.options import Options
    from .service.service import Service
    from .transport.keys import ROLES, KeyFolder
    from .transport.sockets import CONTROL, INGEST, RESULTS

_HOMES = {
    "journal.export": ("export_stream", "stream_state"),
    "journal.journal_reader": ("JournalReader", "Record"),
    "producer.lossless_producer": ("LosslessProducer",),
    "producer.producer": ("Producer",),
    "producer.replay": ("Pace", "replay"),
    "protocol.counters": ("Counters",),
    "protocol.report": ("Report", "counters_line"),
    "protocol.results": ("Result",),
    "protocol.stream_state": ("StreamState",),
    "reader.control_client": ("Control", "RecordedFrame"),
    "reader.subscriber": ("Subscriber",),
    "service.health": ("HTTP",),
    "service.options": ("Options",),
    "service.service": ("Service",),
    "transport.keys": ("ROLES", "KeyFolder"),
    "transport.sockets": ("CONTROL", "INGEST", "RESULTS"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "CONTROL",
    "HTTP",
    "INGEST",
    "RESULTS",
    "ROLES",
    "Control",
    "Counters",
    "JournalReader",
    "KeyFolder",
    "LosslessProducer",
    "Options",
    "Pace",
    "Producer",
    "Record",
    "RecordedFrame",
    "Report",
    "Result",
    "Service",
    "StreamState",
    "Subscriber",
    "counters_line",
    "export_stream",
    "replay",
    "stream_state",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'shiftvae_rt.stream' has no attribute {name!r}")
    value = getattr(import_module(f".{_HOME_OF[name]}", __name__), name)
    globals()[name] = value
    return value
