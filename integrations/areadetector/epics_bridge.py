"""EPICS areaDetector through pvAccess: the NTNDArray of an image plug-in goes to a service.

::

    python epics_bridge.py 13SIM1:Pva1:Image --stream camera

`uniqueId` is the number of the frame and comes back with its result. Images have one channel and are not compressed.
"""

from __future__ import annotations

import argparse
import threading
from typing import Any

import numpy as np
import pvaccess
from shiftvae_client import INGEST, Producer


class EpicsBridge:
    """Sends each image of a channel, inside a ``with``.

    Parameters
    ----------
    channel
        Name of the NTNDArray's channel.
    stream
        Name of the stream.
    endpoint
        Ingest endpoint of the service.
    options
        Of the `Producer`: key, callbacks.

    Attributes
    ----------
    received, missed
        Images that came, and those that the monitor left out: gaps of ``uniqueId``.
    """

    def __init__(self, channel: str, *, stream: str, endpoint: str = INGEST, **options: Any) -> None:
        self.received = self.missed = 0
        self._last: int | None = None
        self.producer = Producer(endpoint, stream=stream, name=channel, **options)
        self._channel = pvaccess.Channel(channel)

    def __enter__(self) -> EpicsBridge:
        self._channel.subscribe("bridge", self._monitored)
        self._channel.startMonitor("")
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.stopMonitor()
        self._channel.unsubscribe("bridge")
        self.producer.close()

    def _monitored(self, array: Any) -> None:
        number = int(array["uniqueId"])
        if self._last is not None:
            self.missed += max(0, number - self._last - 1)
        self._last = number
        self.received += 1
        (values,) = array["value"][0].values()
        sizes = [each["size"] for each in array["dimension"]]  # x first
        self.producer.offer(np.asarray(values).reshape(sizes[::-1]), number=number, context=f"uniqueId {number}")


def main() -> None:
    """Send a channel until the program is interrupted."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("channel")
    parser.add_argument("--stream", default="areadetector")
    parser.add_argument("--to", default=INGEST)
    options = parser.parse_args()
    with EpicsBridge(options.channel, stream=options.stream, endpoint=options.to, on_error=print) as bridge:
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print(bridge.producer.counters)


if __name__ == "__main__":
    main()
