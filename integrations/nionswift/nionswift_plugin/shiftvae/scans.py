"""Rows of running scans, from Swift's events to producers.

It runs on the acquisition's threads, so it never waits and never raises.

What Swift's events are like (16.16, checked by the tests): each update fires once for each channel, with the whole
array. The array changes in place, and its rows from ``valid_rows`` on belong to the frame before. A change of size,
field of view or subscan begins a new ``scan_id``, and so does each frame. A last update can come after an abort.
"""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Callable
from typing import Any

from nion.instrumentation import HardwareSource
from shiftvae_client import Counters, Producer

from .settings import Settings

#: Units of length in which Swift gives a field of view, in nm.
_NM = {"nm": 1.0, "pm": 1e-3, "um": 1e3, "µm": 1e3, "μm": 1e3, "A": 0.1, "Å": 0.1}


class Scans:
    """Listens to all scan devices, those that are there and those that come, and sends their channels.

    Parameters
    ----------
    settings
        Where the service is.
    on_error
        Called with each error, from any thread.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        on_error: Callable[[Exception], None],
    ) -> None:
        self._settings, self._on_error = settings, on_error
        self._channels: dict[str, _Channel] = {}
        self._lock = threading.Lock()
        self._closed = False
        manager = HardwareSource.HardwareSourceManager()
        self._listeners = [manager.hardware_source_added_event.listen(self._added)]
        for source in manager.hardware_sources:
            self._added(source)

    def counters(self) -> dict[str, Counters]:
        """Counters of the streams by their names."""
        with self._lock:
            return {name: channel.producer.counters for name, channel in self._channels.items()}

    @property
    def last_error(self) -> str:
        """The first error of a stream that has one, empty if there is none."""
        with self._lock:
            said = [channel.producer.last_error for channel in self._channels.values()]
        return next(filter(None, said), "")

    def close(self) -> dict[str, Counters]:
        """Stop listening, and end the streams; their last counters."""
        for listener in self._listeners:
            listener.close()
        with self._lock:
            self._closed = True
            channels = dict(self._channels)
        return {name: channel.producer.close(1.0) for name, channel in channels.items()}

    def _added(self, source: Any) -> None:
        if source.features.get("is_scanning"):
            updated = functools.partial(self._guarded, lambda *event: self._updated(source, *event))
            aborted = functools.partial(self._guarded, lambda: self._aborted(source))
            self._listeners.append(source.data_channel_updated_event.listen(updated))
            self._listeners.append(source.abort_event.listen(aborted))

    def _guarded(self, call: Callable[..., None], *event: Any) -> None:
        try:
            call(*event)
        except Exception as error:  # noqa: BLE001  # this thread belongs to the scan
            self._on_error(error)

    def _updated(self, source: Any, about: Any, xdata: Any) -> None:
        if xdata.is_data_2d and "scan_id" in xdata.metadata.get("scan", {}):
            channel = self._channel(source.hardware_source_id, str(about.data_channel_id), str(about.name))
            if channel is not None:
                channel.send(xdata)

    def _aborted(self, source: Any) -> None:
        with self._lock:
            mine = [channel for channel in self._channels.values() if channel.device == source.hardware_source_id]
        for channel in mine:
            channel.abort()

    def _channel(self, device: str, channel_id: str, title: str) -> _Channel | None:
        name = f"{device}/{channel_id}"[:64].strip()
        with self._lock:
            if name not in self._channels and not self._closed:
                producer = Producer(
                    self._settings.ingest,
                    stream=name,
                    name=title if title.isprintable() else "",
                    key=self._settings.key,
                    on_error=self._on_error,
                )
                self._channels[name] = _Channel(device, producer)
            return None if self._closed else self._channels[name]


class _Channel:
    """One channel of one device: knows which rows of its current scan were sent."""

    def __init__(self, device: str, producer: Producer) -> None:
        self.device, self.producer = device, producer
        self._scan = ""
        self._number = self._sent = 0

    def send(self, xdata: Any) -> None:
        """Send the rows that are new since the last call."""
        metadata = xdata.metadata
        height, width = xdata.data_shape
        scan = f"{metadata['scan']['scan_id']} {height} x {width}"
        valid = int(metadata["scan"].get("valid_rows", height))
        if scan != self._scan or valid < self._sent:  # a view that reuses its id begins again at the top
            self._scan, self._sent = scan, 0
            self._number += 1
        if valid <= self._sent:
            return
        first, self._sent = self._sent, valid
        self.producer.offer_rows(
            self._number,
            xdata.data[first:valid],
            first,
            (height, width),
            pixel_size_nm=_pixel_size_nm(xdata.dimensional_calibrations),
            context=_context(metadata, xdata.dimensional_calibrations),
        )

    def abort(self) -> None:
        """Give up the current scan."""
        self.producer.abort(self._number)


def _pixel_size_nm(calibrations: Any) -> tuple[float, float] | None:
    edges = [_NM[each.units] * abs(each.scale) for each in calibrations if each.units in _NM and each.scale]
    return (edges[0], edges[1]) if len(edges) == 2 else None


def _context(metadata: Any, calibrations: Any) -> str:
    """What the data items of the maps need to know of their scan: it comes back with every result."""
    hardware = metadata.get("hardware_source", {})
    return json.dumps(
        {
            "scan_id": str(metadata["scan"]["scan_id"]),
            "device": str(hardware.get("hardware_source_id", ""))[:100],
            "channel": str(hardware.get("channel_name", ""))[:100],
            "calibrations": [[each.offset, each.scale, each.units[:8]] for each in calibrations],
        },
        ensure_ascii=False,
        separators=(",", ":"),
    )
