"""A page in Chromium that tries every door, by a form, by fetch and by WebSocket: nothing of it is heard.

Needs a Chromium on the PATH (Debian: ``apt-get install chromium``), and is skipped without one.
"""

from __future__ import annotations

import http.server
import json
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from doors_support import MESSAGES, Doors
from stream_support import FREE

from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_rt.stream import Control, KeyFolder, Options, Service
from shiftvae_rt.stream.transport.gatekeeper import Gatekeeper
from shiftvae_rt.stream.transport.sockets import DOORS

LIMIT_S = 60.0
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
PAGE = """<!doctype html><meta charset="utf-8"><title>a page</title><body><script>
const ports = PORTS, text = "MESSAGES";
for (const port of ports) {
  const frame = document.createElement("iframe"), form = document.createElement("form");
  const field = document.createElement("input");
  frame.name = "to" + port;
  form.target = frame.name;
  form.action = "http://127.0.0.1:" + port + "/";
  form.method = "post";
  form.enctype = "text/plain";
  field.type = "hidden";
  field.name = field.value = text;
  form.append(field);
  document.body.append(frame, form);
  form.submit();
}
const fetched = port => fetch("http://127.0.0.1:" + port + "/", {
  method: "POST", mode: "no-cors", body: text, signal: AbortSignal.timeout(5000)
}).catch(() => {});
const opened = port => new Promise(done => {
  const socket = new WebSocket("ws://127.0.0.1:" + port + "/" + text.slice(0, 1000));
  socket.onopen = () => socket.send(text);
  socket.onclose = done;
  setTimeout(done, 5000);
});
Promise.all(ports.flatMap(port => [fetched(port), opened(port)])).then(() => fetch("/done", {method: "POST"}));
</script>"""


@pytest.fixture(scope="session")
def chromium() -> str:
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("no Chromium: apt-get install chromium")
    return found


class Page:
    """The page, on a port of its own, and whether a browser has tried all that is on it."""

    def __init__(self, ports: list[int]) -> None:
        text = PAGE.replace("PORTS", json.dumps(ports)).replace("MESSAGES", MESSAGES.decode().replace('"', '\\"'))
        self.done = threading.Event()
        done = self.done

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.answer(text.encode() if self.path == "/" else b"")

            def do_POST(self) -> None:
                self.answer(b"")
                done.set()

            def answer(self, body: bytes) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def visit(chromium: str, ports: list[int], profile: Path) -> None:
    """Show the page to a browser until that has tried everything."""
    page = Page(ports)
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", f"--user-data-dir={profile}"]
    with subprocess.Popen(
        [chromium, *options, "--remote-debugging-port=0", page.address],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as browser:
        try:
            assert page.done.wait(LIMIT_S), "the browser did not come to the end of the page"
        finally:
            browser.terminate()
            page.close()


def heard_of_a_browser(chromium: str, doors: Doors, profile: Path) -> set[str]:
    """Names of the doors through which something of the page came."""
    try:
        visit(chromium, list(doors.ports.values()), profile)
        return doors.heard()
    finally:
        doors.close()


@pytest.fixture
def profile(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "profile"
    shutil.rmtree(tmp_path / "profile", ignore_errors=True)  # tens of MB


@pytest.mark.parametrize("locked", [False, True], ids=["without keys", "with keys"])
def test_nothing_of_a_page_in_a_browser_is_heard(chromium: str, tmp_path: Path, profile: Path, locked: bool) -> None:
    assert heard_of_a_browser(chromium, Doors(tmp_path / "keys" if locked else None), profile) == set()


@pytest.mark.parametrize("locked", [False, True], ids=["without keys", "with keys"])
def test_a_service_lives_on_when_a_page_has_tried_every_port(
    chromium: str, profile: Path, serve: Callable[..., Service], mapper: LatentMapper, tmp_path: Path, locked: bool
) -> None:
    keys = KeyFolder.create(tmp_path / "keys")
    viewer = keys.add("viewer", ("read",))
    options = Options(control=FREE, open_ingest=FREE, keys=keys.path if locked else None)
    service = serve(mapper, options=options)
    endpoints = (service.ingest, service.results, service.control, service.open_ingest)
    visit(chromium, [int(endpoint.rpartition(":")[2]) for endpoint in endpoints], profile)
    with Control(service.control, key=viewer if locked else None) as control:
        status = control.status()
    assert (status.ready, status.report.malformed, status.report.total.offered) == (True, 0, 0)


def test_without_a_domain_a_page_would_be_heard_at_every_door(
    chromium: str, profile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mutant of the test above."""
    monkeypatch.setattr(Gatekeeper, "guard", lambda *_: None)
    assert heard_of_a_browser(chromium, Doors(None), profile) == DOORS.keys()
