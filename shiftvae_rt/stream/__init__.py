"""Live latent maps over ZeroMQ: the service, the producers that feed it, and the readers of its results.

Frames go from `producer` to `service`; results go from there to `reader` and, in lossless mode, through `journal`.
`protocol` holds the messages and `transport` the sockets. Import contracts list the modules that may import zmq; the
messages are specified in ``docs/reference/protocol.md``.
"""

from __future__ import annotations

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
