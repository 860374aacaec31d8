"""The client for acquisition programs and displays: pure Python on numpy, pyzmq and msgspec.

::

    from shiftvae_rt.client import Producer, Reader

    producer = Producer(stream="haadf", on_error=print)
    reader = Reader(on_result=show, latest=True)
    producer.offer_rows(7, rows, first_row, (512, 512), context="scan 7")      # never raises, never waits

Importing it loads neither the compiled core nor onnxruntime. The wheel `shiftvae-client` has the same modules under the
name `shiftvae_client`, for a host program that pins its own Python.
"""

from __future__ import annotations

from ..errors import FrameError, KeyFileError, ServiceError, ShiftVaeError, WireError
from ..latent_map import LatentMap
from ..stream.producer.outgoing import FrameOutcome
from ..stream.protocol.counters import Counters
from ..stream.protocol.results import Result
from ..stream.reader.control_client import Control
from ..stream.transport.sockets import CONTROL, INGEST, RESULTS
from .awaited import AsyncProducer, AsyncReader
from .producer import Producer
from .reader import Reader

__all__ = [
    "CONTROL",
    "INGEST",
    "RESULTS",
    "AsyncProducer",
    "AsyncReader",
    "Control",
    "Counters",
    "FrameError",
    "FrameOutcome",
    "KeyFileError",
    "LatentMap",
    "Producer",
    "Reader",
    "Result",
    "ServiceError",
    "ShiftVaeError",
    "WireError",
]
