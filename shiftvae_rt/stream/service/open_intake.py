"""Handles frames from foreign producers that only PUSH: of those that wait, the newest of each source is encoded.

PUSH makes no promise: a frame that is lost on the way cannot be counted here. Frames that arrive are counted: one is
encoded, the older ones of its source are dropped. These streams are labelled as best effort.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ...errors import WireError
from ...frame import DTYPES
from ...names import name_fault
from ..protocol.clock import monotonic_ns
from ..protocol.wire import (
    MAX_HEADER_BYTES,
    Count,
    FrameHeader,
    Shape,
    Text,
    decode,
)
from ..transport.meter import Meter
from ..transport.sockets import Socket, receive
from ..transport.sparse_log import SparseLog
from .accounting import Account, Ledger
from .encoding import FRAME_FAULTS, Encoding, error_name
from .live_intake import Publish
from .scan import Scan

__all__ = ["PREFIX", "OpenIntake"]

#: Beginning of the stream names of foreign producers.
PREFIX = "open/"
_MAX_SOURCES = 16
_MAX_DRAIN = 64
_log = logging.getLogger(__name__)


class ForeignHeader(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a foreign header that are used; others are ignored."""

    shape: Shape
    type: Text = ""
    dtype: Text = ""
    htype: Text = "array-1.0"
    encoding: Literal["little"] = "little"
    order: Literal["C"] = "C"
    frame: Count = 0
    source: Annotated[str, Meta(max_length=48)] = "foreign"


_headers = msgspec.json.Decoder(ForeignHeader)


@dataclass
class _Source:
    account: Account
    received: int = 0
    scan: Scan = field(default_factory=Scan)


class OpenIntake:
    """Handles frames that are pushed to the service. Used by the serving thread.

    Parameters
    ----------
    socket
        Bound PULL socket; closed by its owner.
    meter
        Counts every message that was received.
    encoding, publish, ledger
        Encodes the frames, sends results to the readers, and counts the outcomes.
    """

    def __init__(self, socket: Socket, meter: Meter, *, encoding: Encoding, publish: Publish, ledger: Ledger) -> None:
        self._socket, self._meter = socket, meter
        self._encoding, self._publish, self._ledger = encoding, publish, ledger
        self._sources: dict[str, _Source] = {}
        self._log = SparseLog(_log)
        self.malformed = 0

    def take(self) -> bool:
        """Encode the newest waiting frame of every source; False if none waits."""
        newest: dict[str, tuple[int, ForeignHeader, memoryview]] = {}
        for _ in range(_MAX_DRAIN):
            parts = receive(self._socket, self._meter.heard)
            if parts is None:
                break
            try:
                if len(parts) != 2:
                    raise WireError(f"expected two parts, header and buffer, got {len(parts)}")
                header: ForeignHeader = decode(_headers, parts[0], "foreign header", MAX_HEADER_BYTES)
                source = self._source(header.source)
            except WireError as error:
                self.malformed += 1
                self._log.warn("a pushed message breaks the protocol: %s", error)
                continue
            source.received += 1
            newest[header.source] = source.received, header, parts[1]
        for number, header, buffer in newest.values():
            self._encode(self._sources[header.source], number, header, buffer)
        return bool(newest)

    def _source(self, name: str) -> _Source:
        fault = name_fault(name)
        if fault is not None:
            raise WireError(f"bad name of a source: {fault}")
        if name not in self._sources:
            if len(self._sources) >= _MAX_SOURCES:
                raise WireError(f"expected at most {_MAX_SOURCES} sources, got another one, {name!r}")
            self._sources[name] = _Source(self._ledger.account(PREFIX + name, "", 1))
        return self._sources[name]

    def _encode(self, source: _Source, number: int, header: ForeignHeader, buffer: memoryview) -> None:
        now_ns = monotonic_ns()
        source.account.begin(number)  # the skipped frames before it count as dropped
        try:
            whole = _whole_frame(header, number, now_ns)
            latent_map = self._encoding.encode(source.scan, whole, buffer)
        except FRAME_FAULTS as error:
            source.account.settle("rejected")
            self._refused(header, error)
        except Exception as error:  # noqa: BLE001  # no frame may end the service
            source.account.settle("quarantined")
            self._ledger.refusals.defect(error)
            self._refused(header, error)
        else:
            source.account.settle("processed")
            if latent_map is not None:
                self._publish(latent_map, whole, (monotonic_ns() - now_ns) / 1e9)

    def _refused(self, header: ForeignHeader, error: Exception) -> None:
        reason = f"{error_name(error)}: {str(error) or type(error).__name__}"
        self._ledger.refusals.add(PREFIX + header.source, header.frame, reason)


def _whole_frame(header: ForeignHeader, number: int, now_ns: int) -> FrameHeader:
    """Make the header that a producer of ours would have sent; the age is counted from the arrival."""
    dtype = header.dtype or header.type
    if header.htype != "array-1.0" or dtype not in DTYPES:
        raise WireError(f"expected array-1.0 of {', '.join(DTYPES)}, got {header.htype!r} of {dtype!r}")
    height, width = header.shape[-2:] if len(header.shape) > 1 else (1, header.shape[0])
    return FrameHeader(
        htype="array-1.0",
        type=dtype,
        dtype=dtype,
        shape=header.shape,
        encoding="little",
        order="C",
        frame=header.frame,
        series=0,
        source=PREFIX + header.source,
        name="best effort",
        context="",
        frame_shape=(height, width),
        roi=(0, 0, height, width),
        valid_rows=height,
        complete=True,
        seq=number,
        pixel_size_nm=None,
        clock_ns=now_ns,
        utc_ns=0,
    )
