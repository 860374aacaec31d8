"""The page as `make wasm` built it, in a Chromium; skipped without one or the other."""

from __future__ import annotations

import http.server
import os
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from web_support import PAGE, Browser, Visit, find_chromium


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if os.name != "posix":
        pytest.skip("the browser is driven on pipes that Windows does not have")
    if not PAGE.exists():
        pytest.skip("web/dist/shiftvae.html is not built: make wasm")
    found = find_chromium()
    if found is None:
        pytest.skip("no Chromium: apt-get install chromium")
    profile = tmp_path_factory.mktemp("profile")
    running = Browser(found, profile)
    yield running
    running.close()
    shutil.rmtree(profile, ignore_errors=True)


@pytest.fixture
def visit(chromium: Browser, tmp_path: Path) -> Visit:
    """The page, newly opened from its file."""
    chromium.new_page()
    (tmp_path / "saved").mkdir()
    return Visit(chromium, tmp_path / "saved")


@pytest.fixture
def hosted(chromium: Browser, tmp_path: Path) -> Iterator[Visit]:
    """The page, newly opened from a static host."""
    quiet = type("Quiet", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(quiet, directory=str(PAGE.parent)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    chromium.new_page()
    (tmp_path / "saved").mkdir()
    yield Visit(chromium, tmp_path / "saved", f"http://127.0.0.1:{server.server_port}/{PAGE.name}")
    server.shutdown()
    server.server_close()
