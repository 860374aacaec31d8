"""The results socket of the service: every latent map goes to every reader; a slow reader loses some and knows it."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict

import zmq

from ...latent_map import LatentMap
from ..protocol.counters import Counters
from ..protocol.results import result_message
from ..protocol.wire import FrameHeader
from ..transport.sockets import DOORS, Socket

__all__ = ["Publisher"]

#: Most bytes of whole maps that are kept for late readers, one map for each stream; the oldest are dropped first.
_MAX_SNAPSHOT_BYTES = 64 * 1024 * 1024
#: Most bytes that may wait for one reader; with large messages this is reached before the door's limit on their number.
_MAX_WAITING_BYTES = 32 * 1024 * 1024
#: Most subscriptions that are read in one turn: a reader that subscribes without end must not delay the frames.
_MAX_NOTICES = 64
_log = logging.getLogger(__name__)


class Publisher:
    """Publishes on an XPUB socket. Used by one thread, but `wait_for_readers` may be called from others.

    Parameters
    ----------
    socket
        Bound XPUB socket; closed by its owner.
    epoch
        Name of this start of the service.

    Attributes
    ----------
    published
        Number of results that were published.
    """

    def __init__(self, socket: Socket, epoch: str) -> None:
        socket.setsockopt(zmq.XPUB_VERBOSER, 1)  # report every reader, not only the first and the last
        self._socket = socket
        self._epoch = epoch
        self._readers = 0
        self._latest: OrderedDict[str, tuple[bytes, memoryview]] = OrderedDict()
        self._changed = threading.Condition()
        self._largest = 0
        self.published = 0

    @property
    def readers(self) -> int:
        """Number of subscribed readers."""
        return self._readers

    def welcome_readers(self) -> None:
        """Count readers that came or went, at most `_MAX_NOTICES` in one call."""
        for _ in range(_MAX_NOTICES):
            try:
                notice = self._socket.recv(zmq.NOBLOCK)
            except zmq.Again:
                return
            if notice[:1] in (b"\0", b"\1"):
                with self._changed:
                    self._readers += 1 if notice[0] else -1
                    self._changed.notify_all()

    def wait_for_readers(self, count: int, timeout_s: float) -> bool:
        """Wait until at least `count` readers are subscribed; False if they are not in time."""
        with self._changed:
            return self._changed.wait_for(lambda: self._readers >= count, timeout_s)

    def publish(self, latent_map: LatentMap, header: FrameHeader, *, age_s: float, counters: Counters) -> None:
        """Send `latent_map` to all readers without waiting; `header` is that of the frame message that gave it."""
        self.published += 1
        try:
            message = result_message(
                latent_map, header, seq=self.published, epoch=self._epoch, age_s=age_s, counters=counters
            )
        except MemoryError as error:  # its number is used up, so the readers count it as missed
            _log.error("a result of stream %r was not published: %s", header.source, error)
            return
        if header.complete:
            self._latest[header.source] = message
            self._latest.move_to_end(header.source)
            while len(self._latest) > 1 and sum(part.nbytes for _, part in self._latest.values()) > _MAX_SNAPSHOT_BYTES:
                self._latest.popitem(last=False)
        self._bound_what_waits(message[1].nbytes)
        self._socket.send_multipart(message, zmq.NOBLOCK, copy=False)

    def _bound_what_waits(self, nbytes: int) -> None:
        """Lower the limit on waiting messages, also for connected readers, if this message is the largest so far."""
        if nbytes > self._largest:
            self._largest = nbytes
            self._socket.sndhwm = max(2, min(DOORS["results"].outgoing, _MAX_WAITING_BYTES // nbytes))

    def latest(self, stream: str) -> tuple[bytes, memoryview] | None:
        """Return the last whole map of a stream as it was published, for a late reader; None if there is none."""
        return self._latest.get(stream)
