"""The flow: rows of scans to the service, results to maps, maps to data items, state to the panel."""

from __future__ import annotations

import dataclasses
import logging
import queue
import threading
from typing import Any

from shiftvae_client import Control, Counters, Reader, Result, ServiceError, ShiftVaeError

from .items import Items
from .maps import Maps
from .scans import Scans
from .settings import Settings

_log = logging.getLogger("shiftvae")
#: Time between two looks at the service, s.
_LOOK_S = 1.0


@dataclasses.dataclass(frozen=True)
class State:
    """What the panel shows.

    Attributes
    ----------
    service
        One line: connected or why not.
    model, models, stride
        Name of the model, names of those that can be chosen, px between windows; empty and 0 if unknown.
    lamp
        Verdict on the last complete map: ``"in domain"``, ``"out of domain: REASON"`` or ``"unknown"``.
    counters
        Of all streams together.
    errors
        Number of errors of the plug-in since it started.
    """

    service: str
    model: str
    models: tuple[str, ...]
    stride: int
    lamp: str
    counters: Counters
    errors: int


class Live:
    """Everything between Swift and one service.

    Parameters
    ----------
    api
        Swift's programming interface.
    settings
        Where the service is, and what is shown.
    """

    def __init__(self, api: Any, settings: Settings) -> None:
        self._api = api
        self.settings = settings
        self.errors: list[Exception] = []
        self._ended = Counters()
        self.items = Items(api, on_error=self._failed, everything=settings.everything)
        self._wishes: queue.Queue[str | None] = queue.Queue()
        self._said = ""
        self._status: Any = None
        self._lamp = "unknown"
        self._connect()
        self._closing = threading.Event()
        self._watch = threading.Thread(target=self._look, name="shiftvae service", daemon=True)
        self._watch.start()

    def apply(self, settings: Settings) -> None:
        """Change the settings; a new address makes new connections."""
        old = self.settings
        try:
            settings.check()
        except ServiceError as error:
            self._failed(error)
            return
        self.settings = settings
        self.items.everything = settings.everything
        if dataclasses.replace(old, everything=settings.everything) != settings:
            self._disconnect()
            self._connect()

    def swap(self, model: str) -> None:
        """Ask the service for the model called `model`; returns at once."""
        self._wishes.put(model)

    def state(self) -> State:
        """State for the panel; from any thread."""
        status, counters = self._status, self._ended
        for each in self.scans.counters().values():
            counters = counters + each
        said = self._said or ("connected" if self.reader.connected else "no service")
        return State(
            service=said + (f": {self.scans.last_error}" if self.scans.last_error else ""),
            model=status.model if status else "",
            models=status.models if status else (),
            stride=status.stride if status else 0,
            lamp=self._lamp,
            counters=counters,
            errors=len(self.errors),
        )

    def close(self) -> None:
        """End all threads and connections."""
        self._closing.set()
        self._wishes.put(None)
        self._disconnect()
        self.items.close()
        self._watch.join(5)

    def _connect(self) -> None:
        self.settings.check()
        self._maps: dict[str, Maps] = {}
        self.scans = Scans(self.settings, on_error=self._failed)
        self.reader = Reader(self.settings.results, on_result=self._take, on_error=self._failed, key=self.settings.key)

    def _disconnect(self) -> None:
        for counters in self.scans.close().values():
            self._ended = self._ended + counters
        self.reader.close()

    def _take(self, result: Result) -> None:
        if result.stream not in self.scans.counters():
            return  # another program's
        snapshot = self._maps.setdefault(result.stream, Maps()).take(result)
        domain = result.latent_map.domain
        if domain is not None:
            self._lamp = f"out of domain: {domain.reason}" if domain.out_of_domain else "in domain"
        elif result.complete:
            self._lamp = "unknown"
        self.items.put(result.stream, snapshot)

    def _failed(self, error: Exception) -> None:
        if len(self.errors) < 1000:
            self.errors.append(error)
        _log.warning("shiftvae: %r", error)

    def _look(self) -> None:
        """Ask for the status once a second, and carry out wishes; on a thread of its own."""
        while not self._closing.is_set():
            try:
                with Control(self.settings.control, key=self.settings.key, connect_s=0.5) as control:
                    address = self.settings.control
                    while not self._closing.is_set() and address == self.settings.control:
                        self._status = control.status()
                        self._said = ""
                        self._wish(control)
            except ShiftVaeError as error:
                self._status, self._said = None, str(error)
                self._closing.wait(_LOOK_S)

    def _wish(self, control: Control) -> None:
        try:
            model = self._wishes.get(timeout=_LOOK_S)
        except queue.Empty:
            return
        if model is not None:
            try:
                control.swap(model)
            except ServiceError as error:
                self._failed(error)
