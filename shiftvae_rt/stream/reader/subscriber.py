"""Receives results from a service.

::

    with Subscriber("tcp://127.0.0.1:5702") as subscriber:
        for result in subscriber:
            print(result.frame, result.age_s, result.latent_map.mean.shape, subscriber.gaps)
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import zmq

from ...errors import ServiceError
from ..protocol.clock import Fastest
from ..protocol.messages import KEY_REFUSED
from ..protocol.results import Result, read_result
from ..transport.connection import REFUSED_S, Connection, Event
from ..transport.keys import read_key
from ..transport.sockets import RESULTS, receive
from .newest import Newest

__all__ = ["Subscriber"]

#: Most results that wait in this process, enough for the bands of some frames.
_HIGH_WATER_MARK = 256
#: Most results that one `receive` reads, so that it ends in time even if the service publishes faster than it reads.
_MAX_DRAIN = 4096
#: Time after which a lost service counts as gone, s.
_GONE_S = 3.0


class Subscriber:
    """Receives latent maps from a service. Used by one thread; close it, or use it in a ``with``.

    Parameters
    ----------
    endpoint
        Results endpoint of the service, ``tcp://HOST:PORT``.
    key
        The client's key file, if the service requires one.
    latest
        True, for a display: give only the newest result of each stream and skip the older ones. A reader that is slower
        than the service is then at most one whole map and one band of each stream behind. False, for a recorder: give
        every result that arrives, however late.

    Attributes
    ----------
    gaps
        Number of results that were published while we were connected and never arrived, because we read too slowly.
    skipped
        Number of results that arrived and were not given, because a newer one of their stream had arrived.
    behind_s
        Time from the publication of the last result to its arrival, less the shortest such time of the last minute, s;
        0 if the producer sends no UTC.

    Raises
    ------
    ServiceError
        for an invalid endpoint.
    KeyFileError
        for a key file that is damaged or readable by other users.
    """

    def __init__(
        self, endpoint: str = RESULTS, *, key: str | os.PathLike[str] | None = None, latest: bool = False
    ) -> None:
        self.gaps = 0
        self.behind_s = 0.0
        self._newest = Newest() if latest else None
        self._fastest: dict[str, Fastest] = {}
        self._endpoint = endpoint
        self._epoch, self._last_seq = "", 0
        self._connected = False
        self._refused_s: float | None = None
        self._lost_at_s = time.monotonic()
        self._connection = Connection(zmq.SUB, endpoint, high_water_mark=_HIGH_WATER_MARK, key=read_key(key))
        self._poller = zmq.Poller()
        self._poller.register(self._connection.socket, zmq.POLLIN)
        self._poller.register(self._connection.monitor, zmq.POLLIN)

    def __enter__(self) -> Subscriber:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; may be called twice."""
        self._connection.close()

    @property
    def skipped(self) -> int:
        """Number of results that arrived and were not given; see the class."""
        return 0 if self._newest is None else self._newest.skipped

    @property
    def connected(self) -> bool:
        """True if there was a connection to the service at the last `receive`."""
        return self._connected

    def wait_ready(self, timeout_s: float = 3.0) -> None:
        """Wait up to `timeout_s` seconds for the connection. Results that are published after it arrive.

        Raises
        ------
        ServiceError
            if no service accepts the connection in time.
        """
        deadline = time.monotonic() + timeout_s
        while not self._connected:
            if self._refused_s is not None:
                deadline = min(deadline, self._refused_s + REFUSED_S)
            if not self._connection.monitor.poll(max(0, int((deadline - time.monotonic()) * 1e3))):
                if self._refused_s is not None:
                    raise ServiceError(f"the service at {self._endpoint} refused the connection: {KEY_REFUSED}")
                raise ServiceError(
                    f"no service publishes at {self._endpoint}: start one with `shiftvae serve MODEL`, "
                    "and give its results endpoint"
                )
            self._look()

    def receive(self, timeout_s: float) -> Result | None:
        """Return the next result, or with `latest` the newest of the stream whose turn it is.

        Waits up to `timeout_s` seconds; None if no result arrived.

        Raises
        ------
        WireError
            if a message arrived that is no result.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            self._look()
            result = self._next() if self._newest is None else self._drained(self._newest)
            if result is not None:
                self.behind_s = self._behind_s(result)
                return result
            left_ms = int((deadline - time.monotonic()) * 1e3)
            if left_ms <= 0:
                return None
            self._poller.poll(left_ms)

    def __iter__(self) -> Iterator[Result]:
        """Yield results for as long as there is a service.

        Raises
        ------
        ServiceError
            when the service has been gone for 3 s.
        """
        while True:
            result = self.receive(0.5)
            if result is not None:
                yield result
            elif not self._connected and time.monotonic() - self._lost_at_s > _GONE_S:
                raise ServiceError(f"the service at {self._endpoint} is gone")

    def _look(self) -> None:
        """Update the state of the connection from the monitor's events."""
        while (event := self._connection.event()) is not None:
            if event is Event.REFUSED:
                self._refused_s = time.monotonic()
            elif event is Event.READY:
                self._connected = True
            elif event is Event.ENDED:
                self._connected = False
                self._lost_at_s = time.monotonic()

    def _drained(self, newest: Newest) -> Result | None:
        """Read all results that have arrived, and return the one whose turn it is."""
        for _ in range(_MAX_DRAIN):
            if len(newest) >= _HIGH_WATER_MARK:
                break
            result = self._next()
            if result is None:
                break
            newest.add(result)
        return newest.take()

    def _next(self) -> Result | None:
        parts = receive(self._connection.socket)
        if parts is None:
            return None
        result = read_result(parts)
        if result.epoch == self._epoch:
            self.gaps += result.seq - self._last_seq - 1
        self._epoch, self._last_seq = result.epoch, result.seq
        return result

    def _behind_s(self, result: Result) -> float:
        if not result.utc_ns:
            return 0.0
        now_ns = time.time_ns()
        took_ns = now_ns - result.utc_ns - round(result.age_s * 1e9)
        if result.stream not in self._fastest:
            if len(self._fastest) >= _HIGH_WATER_MARK:  # a service with ever new streams must not fill our memory
                self._fastest.clear()
            self._fastest[result.stream] = Fastest(took_ns, now_ns)
        fastest = self._fastest[result.stream]
        fastest.add(took_ns, now_ns)
        return (took_ns - fastest.least_ns) / 1e9
