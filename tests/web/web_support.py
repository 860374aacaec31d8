"""The page in a browser, as a person uses it: files in, what is seen and saved out."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "stream" / "view"))
from browser_support import Browser, find_chromium  # noqa: E402 - after its folder is named

__all__ = ["PAGE", "Browser", "Visit", "find_chromium"]

PAGE = ROOT / "web" / "dist" / "shiftvae.html"
#: The page compiles a module when it is opened, which takes long on a machine that is busy.
LIMIT_S = 180.0


class Visit:
    """The page in a browser, from its file unless `address` says otherwise."""

    def __init__(self, browser: Browser, downloads: Path, address: str | None = None) -> None:
        self.browser, self.downloads = browser, downloads
        browser.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(downloads))
        browser.open(address or PAGE.as_uri())
        browser.until("document.querySelector('#state')?.textContent.startsWith('Drop')", LIMIT_S)

    def give(self, *paths: Path) -> None:
        """Choose files; returns when the page is done with them."""
        mapped = self.browser.value("shiftvae.mapped")
        self.browser.value(
            "document.querySelector('#state').textContent = 'Given.'; document.querySelector('#wrong').hidden = true"
        )
        found = self.browser.call("Runtime.evaluate", expression="document.querySelector('#files')")
        names = [str(path) for path in paths]
        self.browser.call("DOM.setFileInputFiles", files=names, objectId=found["result"]["objectId"])
        self.browser.until(
            f"shiftvae.mapped > {mapped} || /^(Now|$)/.test(document.querySelector('#state').textContent)",
            LIMIT_S,
        )

    def set(self, control: str, value: float) -> None:
        """Give a control another value, as a hand would."""
        change = f"one.value = {value}; one.onchange({{ target: one }})"
        self.browser.value(f"(() => {{ const one = document.querySelector('#{control}'); {change}; }})()")

    @property
    def wrong(self) -> str:
        """What the page says went wrong; empty if nothing did."""
        return self.browser.value(
            "document.querySelector('#wrong').hidden ? '' : document.querySelector('#wrong').textContent"
        )

    def archive(self) -> dict[str, np.ndarray]:
        """Arrays of what "Save NPZ" gives."""
        with np.load(self.saved("archive", ".npz"), allow_pickle=False) as found:
            return dict(found)

    def saved(self, button: str, ending: str) -> Path:
        """The file that a button saves; a browser refuses more than ten of one visit."""
        for old in self.downloads.glob(f"*{ending}"):
            old.unlink()
        self.browser.value(f"document.querySelector('#{button}').click()")
        deadline = time.monotonic() + LIMIT_S
        while not (found := [each for each in self.downloads.glob(f"*{ending}") if each.stat().st_size]):
            assert time.monotonic() < deadline, f"{button} saved nothing"
            time.sleep(0.02)
        return found[0]

    def assert_quiet(self) -> None:
        """Nothing was asked of any computer, and the console is empty."""
        assert self.browser.complaints() == []
        own = self.browser.value("location.href").split("#")[0]
        asked = {each for each in self.browser.requests() if not each.startswith(("data:", "blob:"))}
        assert asked <= {own}, asked

    def canvas(self, at: int, shape: tuple[int, int]) -> np.ndarray:
        """Colours ``(height, width, 3)`` of the canvas `at` that place, colour bars not counted."""
        pixels = (
            "(() => { const canvas = document.querySelectorAll('#panels .box canvas')[" + str(at) + "];"
            "return Array.from(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data); })()"
        )
        return np.array(self.browser.value(pixels), np.uint8).reshape(*shape, 4)[..., :3]

    def figures(self) -> dict[str, Any]:
        return json.loads(self.browser.value("JSON.stringify(shiftvae)"))
