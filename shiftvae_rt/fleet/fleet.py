"""The fleet: all services together, their directory, and the page that shows them."""

from __future__ import annotations

import fnmatch
import threading
import time
from pathlib import Path

from ..errors import ServiceError
from .directory import FleetStatus, ServiceState
from .page import Page
from .settings import FleetSettings
from .watched import Watched

__all__ = ["Fleet"]


class Fleet:
    """Runs the services of a fleet. They start when it is made; use it in a ``with``, which stops them cleanly.

    Parameters
    ----------
    settings
        The fleet.
    folder
        Folder at which relative paths in it begin.

    Attributes
    ----------
    http
        Address of the status page and the directory, with its real port.

    Raises
    ------
    ServiceError
        if the address of the page is taken.
    """

    def __init__(self, settings: FleetSettings, folder: Path) -> None:
        self._settings, self._started_s = settings, time.monotonic()
        self._stopping = threading.Event()
        self._services: tuple[Watched, ...] = ()
        self._page = Page(settings.http, self.status, self.find)
        self.http = self._page.address
        self._services = tuple(Watched(entry, folder) for entry in settings.service)

    def status(self) -> FleetStatus:
        """Give the state of all services; from any thread."""
        states = tuple(service.state() for service in self._services)
        return FleetStatus(
            ready=bool(states) and all(state.state == "ready" for state in states),
            uptime_s=round(time.monotonic() - self._started_s, 3),
            services=states,
        )

    def find(self, stream: str) -> ServiceState:
        """Give the first service that takes `stream`, in the order of the file; from any thread.

        Raises
        ------
        ServiceError
            if none does, with the names that are taken.
        """
        for service in self._services:
            if any(fnmatch.fnmatchcase(stream, pattern) for pattern in service.entry.streams):
                return service.state()
        known = ", ".join(pattern for entry in self._settings.service for pattern in entry.streams)
        raise ServiceError(f"no service takes the stream {stream!r}, only {known}: name one of these")

    def wait(self) -> None:
        """Wait until `stop` is called."""
        while not self._stopping.wait(0.2):  # a wait without end would not be interrupted by signals on Windows
            pass

    def stop(self) -> None:
        """Let `wait` return; from any thread or a signal handler."""
        self._stopping.set()

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, *_: object) -> None:
        for service in self._services:
            service.begin_to_stop()
        for service in self._services:
            service.join()
        self._page.close()
