"""Live latent maps over ZeroMQ: the service, the producer that feeds it, and the reader of its results.

Only the modules of this package import zmq. The protocol is written down in ``docs/protocol.md``.
"""

from __future__ import annotations

from .client import Producer
from .replay import Pace, replay
from .report import Report, counters_line
from .results import Result
from .service import Service
from .sockets import INGEST, RESULTS
from .subscriber import Subscriber
from .wire import Counters

__all__ = [
    "INGEST",
    "RESULTS",
    "Counters",
    "Pace",
    "Producer",
    "Report",
    "Result",
    "Service",
    "Subscriber",
    "counters_line",
    "replay",
]
