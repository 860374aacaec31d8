"""Micro-Manager through pymmcore-plus: the images of an acquisition go to a service.

::

    core = CMMCorePlus()
    core.loadSystemConfiguration("scope.cfg")
    with MicroManagerBridge(core, stream="camera") as bridge:
        core.run_mda(sequence).join()
    print(bridge.producer.counters)

Images of the acquisition engine carry their position in the sequence as `context`.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from shiftvae_client import INGEST, Producer


class MicroManagerBridge:
    """Sends each image of an acquisition sequence, inside a ``with``.

    Parameters
    ----------
    core
        A ``CMMCorePlus``.
    stream
        Name of the stream.
    endpoint
        Ingest endpoint of the service.
    options
        Of the `Producer`: key, callbacks.
    """

    def __init__(self, core: Any, *, stream: str, endpoint: str = INGEST, **options: Any) -> None:
        self._core = core
        self.producer = Producer(endpoint, stream=stream, name=core.getCameraDevice(), **options)

    def __enter__(self) -> MicroManagerBridge:
        self._core.mda.events.frameReady.connect(self._ready)
        return self

    def __exit__(self, *_: object) -> None:
        self._core.mda.events.frameReady.disconnect(self._ready)
        self.producer.close()

    def _ready(self, image: np.ndarray, event: Any) -> None:
        size_um = self._core.getPixelSizeUm()
        self.producer.offer(
            image,
            pixel_size_nm=1e3 * size_um if size_um > 0 else None,
            context=json.dumps(dict(event.index)),
        )
