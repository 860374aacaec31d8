"""HTTP on loopback: who may ask, how long a request may take, and what a browser is told about the answer."""

from __future__ import annotations

import contextlib
import http.server
import socket
import socketserver
import threading
from dataclasses import dataclass
from typing import Any

from ..errors import ServiceError

__all__ = ["Answer", "Handler", "Server", "listen"]

#: Longest duration of one request, from the connection to the end of the answer.
_REQUEST_S = 2.0
#: Most requests that are answered at once: a browser opens connections ahead and says nothing on some of them.
_MOST_REQUESTS = 16


@dataclass(frozen=True)
class Answer:
    """An answer to a request: status, content type, content, and the policy of a page."""

    status: int
    kind: str
    body: bytes
    policy: str = "default-src 'none'"


def listen(address: str, handler: type[Handler]) -> Server:
    """Listen at ``127.0.0.1:PORT``; port 0 takes a free one. Serve with `Server.serve_forever`.

    Raises
    ------
    ServiceError
        if the address is not on loopback, or taken.
    """
    host, _, port = address.partition(":")
    if host != "127.0.0.1" or not port.isdecimal() or int(port) > 65535:
        raise ServiceError(f"expected an HTTP address 127.0.0.1:PORT, got {address!r}")
    try:
        return Server((host, int(port)), handler)
    except OSError as error:
        raise ServiceError(
            f"http://{address} cannot be used ({error.strerror}): choose another port (0 finds one)"
        ) from error


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Answers each request on a thread of its own, within `request_s`.

    An `HTTPServer` would look up the name of our address in the DNS.
    """

    request_queue_size = 16
    allow_reuse_address = True
    daemon_threads = True
    request_s = _REQUEST_S

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._free = threading.BoundedSemaphore(_MOST_REQUESTS)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer a request on a thread of its own, once there are few enough."""
        self._free.acquire()
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer a request within `request_s`, so that clients that send one byte a second block the others briefly."""
        deadline = threading.Timer(self.request_s, _cut_off, (request,))
        deadline.daemon = True
        deadline.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            deadline.cancel()
            self._free.release()

    def shutdown_request(self, request: Any) -> None:
        """Close a connection; one that became a WebSocket lives on in its duplicate."""
        self.close_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a client that breaks off."""


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers only requests whose ``Host`` is a loopback name, and of those that a page sends, only its own.

    So a foreign web page in a browser on this machine cannot read anything by giving our address another name.
    """

    timeout = _REQUEST_S
    server_version = "shiftvae"
    sys_version = ""

    def content(self, path: str, *, text_too: bool) -> Answer | None:
        """Answer a request for `path`, without its question; None if the connection has been answered already.

        `text_too` is False for a HEAD.
        """
        raise NotImplementedError

    def do_GET(self) -> None:
        """Answer a GET."""
        self._answer()

    def do_HEAD(self) -> None:
        """Answer a HEAD: the headers of a GET, without the text."""
        self._answer(text_too=False)

    def do_OPTIONS(self) -> None:
        """Answer an OPTIONS with the allowed methods, without CORS headers: pages of other origins may use none."""
        self.send_response(204)
        self.send_header("Allow", "GET, HEAD, OPTIONS")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _answer(self, *, text_too: bool = True) -> None:
        foreign = self._foreign()
        if foreign:
            found: Answer | None = Answer(403, "text/plain", foreign.encode())
        else:
            found = self.content(self.path.partition("?")[0], text_too=text_too)
        if found is None:
            return
        self.send_response(found.status)
        self.send_header(
            "Content-Type", f"{found.kind}; charset=utf-8" if found.kind.startswith("text/") else found.kind
        )
        self.send_header("Content-Length", str(len(found.body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Content-Security-Policy", found.policy)
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()
        if text_too:
            self.wfile.write(found.body)

    def _foreign(self) -> str:
        """Reason to refuse a request that a foreign page may have sent; empty if there is none."""
        host = self.headers.get("Host") or ""
        if (host.rpartition(":")[0] or host) not in ("127.0.0.1", "localhost"):
            return "only requests to 127.0.0.1 or localhost are answered\n"
        if self.headers.get("Origin", f"http://{host}") != f"http://{host}":
            return "only requests of the page itself are answered\n"
        return ""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class calls it so
        """Log nothing: probes come every few seconds."""


def _cut_off(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
