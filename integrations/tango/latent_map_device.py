"""Tango: a device that other devices give their images, and that answers with the newest latent map (a sketch).

For laboratories whose microscope is a set of Tango devices, such as asyncroscopy: a scan device writes its image to
`frame`, and any client reads `latent` (the first content latent), `score` and the counters.

::

    python latent_map_device.py INSTANCE        # a device server, registered as usual
"""

from __future__ import annotations

import threading

import numpy as np
from shiftvae_client import INGEST, RESULTS, Producer, Reader, Result
from tango.server import Device, attribute, command, device_property


class LatentMapDevice(Device):
    """Device between Tango and one service; its properties are the addresses and the name of the stream."""

    ingest = device_property(dtype=str, default_value=INGEST)
    results = device_property(dtype=str, default_value=RESULTS)
    stream = device_property(dtype=str, default_value="tango")

    def init_device(self) -> None:
        """Connect; Tango calls it at the start and on Init."""
        super().init_device()
        self._lock = threading.Lock()
        self._newest: Result | None = None
        self._producer = Producer(self.ingest, stream=self.stream)
        self._reader = Reader(self.results, on_result=self._take, latest=True)

    def delete_device(self) -> None:
        """Disconnect; Tango calls it at the end."""
        self._reader.close()
        self._producer.close()

    def _take(self, result: Result) -> None:
        if result.stream == self.stream and result.complete:
            with self._lock:
                self._newest = result

    @attribute(dtype=((np.float32,),), max_dim_x=8192, max_dim_y=8192)
    def frame(self) -> np.ndarray:
        """Image that is to be mapped; write it."""
        return np.zeros((1, 1), np.float32)

    @frame.write
    def frame(self, image: np.ndarray) -> None:
        """Offer `image` to the service; returns at once."""
        self._producer.offer(np.asarray(image))

    @attribute(dtype=((np.float32,),), max_dim_x=8192, max_dim_y=8192)
    def latent(self) -> np.ndarray:
        """First content latent of the newest complete map."""
        with self._lock:
            newest = self._newest
        if newest is None:
            return np.zeros((1, 1), np.float32)
        latent_map = newest.latent_map
        content = [i for i, unit in enumerate(latent_map.units) if not unit]
        return np.array(latent_map.mean[content[0] if content else 0])

    @attribute(dtype=float)
    def score(self) -> float:
        """Domain score of the newest complete map; above 1 it is unlike the training data. NaN if unknown."""
        with self._lock:
            newest = self._newest
        domain = None if newest is None else newest.latent_map.domain
        return float("nan") if domain is None else domain.score

    @command(dtype_out=(int,))
    def counters(self) -> list[int]:
        """Frames that were offered, processed, dropped and refused."""
        counts = self._producer.counters
        dropped = counts.dropped_producer + counts.dropped_stale
        return [counts.offered, counts.processed, dropped, counts.rejected + counts.quarantined]


if __name__ == "__main__":
    LatentMapDevice.run_server()
