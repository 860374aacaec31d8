"""The status page of a fleet, and its directory: HTTP on loopback, with the rules of the live page.

``/`` for people, ``/status.json`` for programs, ``/directory?stream=NAME`` for clients, ``/livez`` and ``/readyz`` for
supervisors.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from html import escape
from urllib.parse import parse_qs

import msgspec

from ..errors import ServiceError
from ..names import shown
from ..view.loopback import Answer, Handler, listen
from ..view.site import POLICY, page_files
from .directory import FleetStatus, Missing, ServiceState

__all__ = ["Page"]

#: Seconds between two loads of the page by a browser.
REFRESH_S = 2


class Page:
    """Serves the page on threads of its own.

    Parameters
    ----------
    address
        ``127.0.0.1:PORT``; port 0 takes a free one, which the attribute `address` holds.
    status, find
        Return the state of the fleet, and the service of a stream; `find` raises `ServiceError` if there is none.

    Raises
    ------
    ServiceError
        if the address is taken.
    """

    def __init__(self, address: str, status: Callable[[], FleetStatus], find: Callable[[str], ServiceState]) -> None:
        css = page_files()["/page.css"]

        class FleetHandler(Handler):
            def content(self, path: str, *, text_too: bool) -> Answer:  # noqa: ARG002  # as the base class
                if path == "/page.css":
                    return Answer(200, css[0], css[1], POLICY)
                if path == "/directory":
                    return _directory(self.path, find)
                return _page(path, status())

        self._server = listen(address, FleetHandler)
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.2,), name="fleet-page", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop the server and its thread."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _directory(path: str, find: Callable[[str], ServiceState]) -> Answer:
    stream = parse_qs(path.partition("?")[2]).get("stream", [""])[0]
    try:
        return Answer(200, "application/json", msgspec.json.encode(find(stream)))
    except ServiceError as error:
        return Answer(404, "application/json", msgspec.json.encode(Missing(error=str(error))))


def _page(path: str, status: FleetStatus) -> Answer:
    if path == "/":
        return Answer(200, "text/html", page_text(status).encode(), POLICY)
    if path == "/status.json":
        return Answer(200, "application/json", msgspec.json.encode(status))
    if path == "/livez":
        return Answer(200, "text/plain", b"ok\n")
    if path == "/readyz":
        waiting = [service.name for service in status.services if service.state != "ready"]
        text = f"not ready: {', '.join(waiting)}\n" if waiting else "ready\n"
        return Answer(503 if waiting else 200, "text/plain", text.encode())
    return Answer(404, "text/plain", b"/, /status.json, /directory?stream=NAME, /livez or /readyz\n")


def page_text(status: FleetStatus) -> str:
    """HTML of the page: one row for each service, with a link to its live page."""
    rows = "\n".join(_row(service) for service in status.services)
    head = "".join(
        f'<th scope="col">{name}</th>' for name in ("state", "streams", "offered", "processed", "restarts", "last end")
    )
    state = "all services are ready" if status.ready else "not all services are ready"
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="{REFRESH_S}">
<title>shiftvae fleet</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="page.css">
</head>
<body>
<header><h1>shiftvae fleet</h1><p id="link" role="status" data-state="{"live" if status.ready else "gone"}">{state}</p>
</header>
<main id="body">
<table>
<thead><tr><td></td>{head}</tr></thead>
<tbody>
{rows}
</tbody>
</table>
</main>
</body>
</html>
"""


def _row(service: ServiceState) -> str:
    device = "" if service.cuda_visible_devices is None else f", CUDA {service.cuda_visible_devices}"
    about = f'<a href="http://{service.http}/">{_text(service.name)}</a><small>{_text(service.model + device)}</small>'
    cells = (service.state, ", ".join(service.streams), service.offered, service.processed, service.restarts)
    values = "".join(f"<td>{_text(str(cell))}</td>" for cell in (*cells, service.reason))
    return f'<tr><th scope="row">{about}</th>{values}</tr>'


def _text(text: str) -> str:
    return escape(shown(text))
