"""The service's results socket: every latent map goes to every reader, a slow reader loses some and counts them."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict

import zmq

from ...latent_map import LatentMap
from ..protocol.results import result_message
from ..protocol.wire import Counters, FrameHeader
from ..transport.sockets import DOORS, Socket

__all__ = ["Publisher"]

#: Whole maps that are kept for readers that come late; of the streams seen longest ago they are dropped first.
_MAX_SNAPSHOT_BYTES = 64 * 1024 * 1024
#: What may wait for a reader before it loses results, if the messages are too large for the door's number of them.
_MAX_WAITING_BYTES = 32 * 1024 * 1024
#: A reader that subscribes without end must not hold up the frames.
_MAX_NOTICES = 64
_log = logging.getLogger(__name__)


class Publisher:
    """Publishes on an XPUB socket; belongs to one thread, but `wait_for_readers` may be called from others.

    Parameters
    ----------
    socket
        Bound XPUB socket; closed by its owner.
    epoch
        Name of this start of the service.
    """

    def __init__(self, socket: Socket, epoch: str) -> None:
        socket.setsockopt(zmq.XPUB_VERBOSER, 1)  # tell us of every reader, not only of the first
        self._socket = socket
        self._epoch = epoch
        self._readers = 0
        self._latest: OrderedDict[str, tuple[bytes, memoryview]] = OrderedDict()
        self._changed = threading.Condition()
        self._largest = 0
        self.published = 0

    @property
    def readers(self) -> int:
        """Readers that are subscribed."""
        return self._readers

    def welcome_readers(self) -> None:
        """Take notice of some of the readers that came or went; of the others in the next turns."""
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
        """Send `latent_map`, made from the message with that `header`, to all readers; never waits for one."""
        self.published += 1
        try:
            message = result_message(
                latent_map, header, seq=self.published, epoch=self._epoch, age_s=age_s, counters=counters
            )
        except MemoryError as error:  # the readers count it as one that they missed
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
        """Let fewer messages wait for each reader, also those that are there, if this one is the largest so far."""
        if nbytes > self._largest:
            self._largest = nbytes
            self._socket.sndhwm = max(2, min(DOORS["results"].outgoing, _MAX_WAITING_BYTES // nbytes))

    def latest(self, stream: str) -> tuple[bytes, memoryview] | None:
        """The last whole map of a stream, as it was published, for a reader that comes late."""
        return self._latest.get(stream)
