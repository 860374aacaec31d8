"""Data items of the maps, at most ten times a second. Their calibrations place them on the scan that they came from."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from nion.data import Calibration, DataAndMetadata

from .maps import Quantity, Snapshot

#: Least time between two updates of the data items, s.
LEAST_S = 0.1


class Items:
    """Keeps one data item for each map of each stream.

    Parameters
    ----------
    api
        Swift's programming interface.
    on_error
        Called with what went wrong on the thread of the user interface.
    everything
        See `Settings`.
    """

    def __init__(self, api: Any, *, on_error: Callable[[Exception], None], everything: bool) -> None:
        self._api, self._on_error = api, on_error
        self.everything = everything
        self.updates = 0
        self._newest: dict[str, Snapshot] = {}
        self._lock = threading.Lock()
        self._wanted, self._closing = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._pace, name="shiftvae data items", daemon=True)
        self._thread.start()

    def put(self, stream: str, snapshot: Snapshot) -> None:
        """Show `snapshot` soon; a newer one of the same stream replaces it. From any thread."""
        with self._lock:
            self._newest[stream] = snapshot
        self._wanted.set()

    def close(self) -> None:
        """Show no more."""
        self._closing.set()
        self._wanted.set()
        self._thread.join()

    def _pace(self) -> None:
        while not self._closing.is_set():
            self._wanted.wait()
            self._wanted.clear()
            shown = threading.Event()

            def show(shown: threading.Event = shown) -> None:
                self._show()
                shown.set()

            began = time.monotonic()
            try:
                self._api.queue_task(show)
            except IndexError:  # there is no window yet
                pass
            else:
                while not shown.wait(LEAST_S) and not self._closing.is_set():
                    pass  # the user interface is busy: the newest waits for it
            self._closing.wait(max(0.0, began + LEAST_S - time.monotonic()))

    def _show(self) -> None:
        """Set the data items; on the thread of the user interface."""
        with self._lock:
            newest, self._newest = self._newest, {}
        try:
            for stream, snapshot in newest.items():
                for quantity in snapshot.quantities:
                    if self.everything or not quantity.minor:
                        self._set(stream, quantity, snapshot)
            self.updates += bool(newest)
        except Exception as error:  # noqa: BLE001  # the user interface must go on
            self._on_error(error)

    def _set(self, stream: str, quantity: Quantity, snapshot: Snapshot) -> None:
        key = f"shiftvae/{stream}/{quantity.name}"
        item = self._api.library.get_data_item_for_reference_key(key)
        if item is None:  # the first map, or the user removed it
            item = self._api.library.get_data_item_for_reference_key(key, create_if_needed=True)
            item.title = f"{quantity.name} ({snapshot.context.get('channel') or stream})"
        item.xdata = as_xdata(stream, quantity, snapshot)


def as_xdata(stream: str, quantity: Quantity, snapshot: Snapshot) -> Any:
    """Data of `quantity`, with the calibrations of its windows and the provenance of the result."""
    result, grid = snapshot.result, snapshot.result.latent_map.grid
    domain = result.latent_map.domain
    calibrations = [
        window_calibration(*known, window=window, stride=grid.stride)
        for known, window in zip(snapshot.context["calibrations"], grid.window, strict=True)
    ]
    provenance = {
        "quantity": quantity.name,
        "stream": stream,
        "frame": result.frame,
        "scan_id": snapshot.context.get("scan_id", ""),
        "device": snapshot.context.get("device", ""),
        "channel": snapshot.context.get("channel", ""),
        "valid_rows": result.valid_rows,
        "complete": result.complete,
        "model_sha256": result.latent_map.model_sha256,
        "window_px": list(grid.window),
        "stride_px": grid.stride,
        "frame_shape_px": list(grid.frame_shape),
        "age_s": result.age_s,
        "domain": None if domain is None else {"score": domain.score, "reason": domain.reason},
    }
    return DataAndMetadata.new_data_and_metadata(
        quantity.values,
        intensity_calibration=Calibration.Calibration(0.0, 1.0, quantity.unit),
        dimensional_calibrations=calibrations,
        metadata={"shiftvae": provenance},
    )


def window_calibration(offset: float, scale: float, units: str, *, window: int, stride: int) -> Any:
    """Calibration of windows along one axis of a frame with ``offset, scale, units``.

    Swift's calibration tells of the edge of a pixel; a window lies at the centre of its pixels, and a pixel of the map
    is as wide as the distance of two windows.
    """
    first_centre = window / 2  # edges of pixels are whole numbers
    return Calibration.Calibration(offset + scale * (first_centre - stride / 2), scale * stride, units)
