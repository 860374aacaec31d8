"""The reader for a host program: a thread of its own that calls back with results, and reconnects by itself."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from typing import Any

from ..errors import WireError
from ..stream.protocol.results import Result
from ..stream.reader.subscriber import Subscriber
from ..stream.transport.keys import read_key
from ..stream.transport.sockets import RESULTS, check_endpoint

__all__ = ["Reader"]

#: Longest wait for a result before `close` and changes of the connection are noticed, s.
_TURN_S = 0.1
#: Pause after a fault of the connection, s.
_PAUSE_S = 0.5
_log = logging.getLogger(__name__)


class Reader:
    """Receives latent maps for as long as it lives, from a service that may come and go. Close it.

    Parameters
    ----------
    endpoint
        Results endpoint of the service, ``tcp://HOST:PORT``.
    on_result
        Called with every result, on the reader's own thread. Its arrays are read-only and may be kept.
    on_connection
        Called with True when a service accepted the connection, and with False when it was lost.
    on_error
        Called with the exception of a message that is no result, and with one that a callback raised; reading goes on.
    latest
        True, for a display: only the newest result of each stream, however slow `on_result` is. False, for a recorder:
        every result that arrives.
    key
        The client's key file, if the service requires one.

    Attributes
    ----------
    results, errors
        Number of results that were given to `on_result`, and of errors.
    gaps, skipped
        Number of results that were published meanwhile and did not arrive, and of those that `latest` left out.
    connected
        True while there is a connection.

    Raises
    ------
    ServiceError
        for an invalid endpoint. A service that does not run yet is no error.
    KeyFileError
        for a key file that is damaged or readable by other users.
    """

    def __init__(
        self,
        endpoint: str = RESULTS,
        *,
        on_result: Callable[[Result], None],
        on_connection: Callable[[bool], None] | None = None,
        on_error: Callable[[Exception], None] | None = None,
        latest: bool = False,
        key: str | os.PathLike[str] | None = None,
    ) -> None:
        check_endpoint(endpoint, numeric=False)
        read_key(key)  # an unreadable key is an error here, not on the thread
        self.results = self.errors = self.gaps = self.skipped = 0
        self.connected = False
        self._endpoint, self._key, self._latest = endpoint, key, latest
        self._on_result, self._on_connection, self._on_error = on_result, on_connection, on_error
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"reader {endpoint}", daemon=True)
        self._thread.start()

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the thread, after the callback that is running; may be called twice, and by a callback."""
        self._closing.set()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                with Subscriber(self._endpoint, key=self._key, latest=self._latest) as subscriber:
                    self._read(subscriber)
            except Exception as error:  # noqa: BLE001  # the socket failed: the reader goes on with a new one
                self._failed(error)
                self._closing.wait(_PAUSE_S)
        self._note_connection(False)

    def _read(self, subscriber: Subscriber) -> None:
        gaps, skipped = self.gaps, self.skipped
        while not self._closing.is_set():
            try:
                result = subscriber.receive(_TURN_S)
            except WireError as error:
                self._failed(error)
                continue
            self.gaps, self.skipped = gaps + subscriber.gaps, skipped + subscriber.skipped
            self._note_connection(subscriber.connected)
            if result is not None:
                self.results += 1
                self._call(self._on_result, result)

    def _note_connection(self, connected: bool) -> None:
        if connected != self.connected:
            self.connected = connected
            if self._on_connection is not None:
                self._call(self._on_connection, connected)

    def _call(self, callback: Callable[[Any], None], value: Any) -> None:
        try:
            callback(value)
        except Exception as error:  # noqa: BLE001  # the host's callback must not end the reader's thread
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        self.errors += 1
        if self._on_error is None:
            return
        try:
            self._on_error(error)
        except Exception:  # noqa: BLE001  # there is no one else to tell
            _log.exception("on_error of a reader raised")
