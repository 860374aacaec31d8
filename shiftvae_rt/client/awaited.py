"""Producer and reader for programs on asyncio: outcomes are awaited, results come from ``async for``."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import threading
from collections import OrderedDict
from types import TracebackType

from numpy.typing import ArrayLike

from ..errors import ServiceError
from ..frame import PixelSize
from ..stream.producer import producer as raising
from ..stream.producer.outgoing import FrameOutcome
from ..stream.protocol.counters import Counters
from ..stream.protocol.results import Result
from ..stream.transport.sockets import INGEST, RESULTS
from .reader import Reader

__all__ = ["AsyncProducer", "AsyncReader"]

#: Outcomes that are kept for a later `AsyncProducer.outcome`.
_KEPT = 1024
#: Time after which a reader whose program takes no result looks whether it is to close, s.
_TURN_S = 0.1


class AsyncProducer:
    """Sends the frames of one stream, inside ``async with``; a mistake raises where it was made.

    Parameters
    ----------
    endpoint, stream, name, key
        As for `Producer`.

    Raises
    ------
    ServiceError
        for an invalid endpoint or name, when it is entered.
    """

    def __init__(
        self,
        endpoint: str = INGEST,
        *,
        stream: str,
        name: str = "",
        key: str | os.PathLike[str] | None = None,
    ) -> None:
        self._options = {"endpoint": endpoint, "stream": stream, "name": name, "key": key}
        self._known: OrderedDict[int, FrameOutcome] = OrderedDict()
        self._awaited: dict[int, asyncio.Future[FrameOutcome]] = {}

    async def __aenter__(self) -> AsyncProducer:
        self._loop = asyncio.get_running_loop()
        self._producer = raising.Producer(**self._options)  # type: ignore[arg-type]  # the options above
        self._producer.listen(self._heard)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self._producer.close, 5.0 if kind is None else 0.5)
        await asyncio.sleep(0)  # the last outcomes, which the other thread has passed on

    async def wait_ready(self, timeout_s: float = 3.0) -> None:
        """Wait up to `timeout_s` seconds for the service.

        Raises
        ------
        ServiceError
            if there is no answer in time, or the service refuses the stream.
        """
        await asyncio.to_thread(self._producer.wait_ready, timeout_s)

    async def send(
        self, frame: ArrayLike, *, number: int | None = None, pixel_size_nm: PixelSize = None, context: str = ""
    ) -> FrameOutcome:
        """Offer a whole frame and wait for its outcome.

        Parameters
        ----------
        frame
            ``(height, width)``, ``(channels, height, width)`` or a signal ``(length,)``, in raw detector units.
        number, context
            The acquisition's number of the frame, and text of at most 1024 bytes that comes back with its results.
        pixel_size_nm
            Edge of a square pixel, or ``(y, x)``, nm, if known.

        Raises
        ------
        FrameError
            for an array that is no frame.
        ServiceError
            if the producer is closed.
        """
        seq = self._producer.offer(frame, number=number, pixel_size_nm=pixel_size_nm, context=context)
        return await self.outcome(seq)

    def offer_rows(
        self,
        number: int,
        rows: ArrayLike,
        first_row: int,
        frame_shape: tuple[int, int],
        *,
        pixel_size_nm: PixelSize = None,
        context: str = "",
    ) -> int:
        """Offer the next rows of frame `number`, and return its ``seq`` for `outcome`; 0 if they came too late.

        Parameters
        ----------
        number, context
            The acquisition's number of the frame, and text of at most 1024 bytes that comes back with its results.
        rows, first_row
            ``(n, width)`` or ``(channels, n, width)``, and the index of the first of them in the frame.
        frame_shape
            ``(height, width)`` of the whole frame, px.
        pixel_size_nm
            Edge of a square pixel, or ``(y, x)``, nm, if known.

        Raises
        ------
        FrameError
            for rows that do not fit the frame, or if earlier rows of it are missing.
        """
        return self._producer.offer_rows(
            number, rows, first_row, frame_shape, pixel_size_nm=pixel_size_nm, context=context
        )

    async def outcome(self, seq: int) -> FrameOutcome:
        """Wait for the outcome of frame `seq`, one of the last 1024.

        Raises
        ------
        ServiceError
            for a number that no frame has.
        """
        if seq in self._known:
            return self._known[seq]
        if not 1 <= seq <= self._producer.counters.offered:
            raise ServiceError(f"no frame has the number {seq}: it came too late, or was never offered")
        return await self._awaited.setdefault(seq, self._loop.create_future())

    def abort(self, number: int) -> bool:
        """Give up frame `number`, which was offered in part; it counts as dropped. False if it is over already."""
        return self._producer.abort(number)

    @property
    def counters(self) -> Counters:
        """Counts of the frames by outcome; ``offered`` exceeds the sum of the others by those on their way."""
        return self._producer.counters

    def _heard(self, outcome: FrameOutcome) -> None:
        self._loop.call_soon_threadsafe(self._settle, outcome)

    def _settle(self, outcome: FrameOutcome) -> None:
        self._known[outcome.seq] = outcome
        if len(self._known) > _KEPT:
            self._known.popitem(last=False)
        awaited = self._awaited.pop(outcome.seq, None)
        if awaited is not None and not awaited.done():
            awaited.set_result(outcome)


class AsyncReader:
    """Receives latent maps inside ``async with``: ``async for result in reader``, which waits for a service.

    Parameters
    ----------
    endpoint, latest, key
        As for `Reader`. A program that is slower than the service gets only the newest with `latest`; else results wait
        in the socket, and then in the service, which leaves some out (`gaps`).

    Raises
    ------
    ServiceError
        for an invalid endpoint, when it is entered.
    """

    def __init__(
        self, endpoint: str = RESULTS, *, latest: bool = False, key: str | os.PathLike[str] | None = None
    ) -> None:
        self._endpoint, self._latest, self._key = endpoint, latest, key
        self._closing = threading.Event()

    async def __aenter__(self) -> AsyncReader:
        self._loop, self._queue = asyncio.get_running_loop(), asyncio.Queue[Result](1)
        self._reader = Reader(self._endpoint, on_result=self._pass_on, latest=self._latest, key=self._key)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing.set()
        await asyncio.to_thread(self._reader.close)

    def __aiter__(self) -> AsyncReader:
        return self

    async def __anext__(self) -> Result:
        return await self._queue.get()

    @property
    def connected(self) -> bool:
        """True while there is a connection."""
        return self._reader.connected

    @property
    def gaps(self) -> int:
        """Number of results that were published meanwhile and did not arrive."""
        return self._reader.gaps

    @property
    def skipped(self) -> int:
        """Number of results that `latest` left out."""
        return self._reader.skipped

    def _pass_on(self, result: Result) -> None:
        """Wait, on the reader's thread, until the program has room for `result`."""
        put = asyncio.run_coroutine_threadsafe(self._queue.put(result), self._loop)
        while not self._closing.is_set():
            try:
                put.result(_TURN_S)
                return
            except (TimeoutError, concurrent.futures.TimeoutError):  # one and the same from Python 3.11 on
                continue
        put.cancel()
