"""Live latent maps in Nion Swift: rows of running scans go to `shiftvae serve`, its maps come back as data items.

`scans` runs on the acquisition's threads, `maps` on the reader's, `items` and `panel` on that of the user interface.
"""

from __future__ import annotations

from typing import Any

from .hspy import HspyHandler
from .live import Live
from .panel import Panel
from .settings import Settings


class ShiftvaeLiveExtension:
    """Sends what is scanned, shows what comes back. Swift makes one of it, and closes it when it ends."""

    extension_id = "shiftvae.live"

    def __init__(self, api_broker: Any) -> None:
        api = api_broker.get_api(version="1", ui_version="1")
        self.live = Live(api, Settings.read())
        self._panel = api.create_panel(Panel(self.live, api.queue_task))

    def close(self) -> None:
        self._panel.close()
        self.live.close()


class ShiftvaeHspyExtension:
    """Opens and saves HyperSpy's files, `.hspy`: also those that `shiftvae map` and `export` write."""

    extension_id = "shiftvae.hspy"

    def __init__(self, api_broker: Any) -> None:
        api = api_broker.get_api(version="1", ui_version="1")
        self._handler = api.create_data_and_metadata_io_handler(HspyHandler())

    def close(self) -> None:
        self._handler.close()
