"""Live latent maps over ZeroMQ: the service, the producer that feeds it, and the reader of its results.

Only the modules of this package import zmq. The protocol is written down in ``docs/reference/protocol.md``.
"""

from __future__ import annotations

from .client import Producer
from .control_client import Control, RecordedFrame
from .export import export_stream, stream_state
from .health import HTTP
from .journal_reader import JournalReader, Record
from .keys import ROLES, KeyFolder
from .lossless_producer import LosslessProducer
from .options import Options
from .replay import Pace, replay
from .report import Report, counters_line
from .results import Result
from .service import Service
from .sockets import CONTROL, INGEST, RESULTS
from .stream_state import StreamState
from .subscriber import Subscriber
from .wire import Counters

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
