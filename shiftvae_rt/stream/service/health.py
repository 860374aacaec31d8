"""HTTP on loopback: the live page, and ``/livez``, ``/readyz``, ``/metrics`` for supervisors and Prometheus."""

from __future__ import annotations

import contextlib
import http.server
import socket
import socketserver
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import msgspec

from ...errors import ServiceError
from ...view.site import POLICY, page_files
from ...view.websocket import WebSocketError, handshake
from ..protocol.control_messages import ServiceStatus

if TYPE_CHECKING:
    from ...view.viewers import Viewers

__all__ = ["HTTP", "Health", "metrics_text"]

HTTP = "127.0.0.1:5780"
#: Time without a turn of the serving loop, encodings not counted, after which it counts as hanging. It normally turns
#: every 0.1 s, and the watchdog ends an encoding that takes too long.
_TURN_S = 5.0
#: Longest duration of one request, from the connection to the end of the answer.
_REQUEST_S = 2.0
#: Most requests that are answered at once: a browser opens connections ahead and says nothing on some of them.
_MOST_REQUESTS = 16
#: Path of the WebSocket of the page.
_LIVE = "/live"
#: Path of what is shown, as `?stream=NAME&seq=NUMBER`.
_ARCHIVE = "/shown.npz"


class Health:
    """A small HTTP server on threads of its own; a request may take 2 s, but for the WebSocket of the page.

    It answers only requests whose ``Host`` is a loopback name, so a foreign web page in a browser on this machine
    cannot read anything by giving our address another name; and of those that a page sends, only its own (``Origin``).

    Parameters
    ----------
    address
        ``127.0.0.1:PORT``; port 0 takes a free one, which the attribute `address` holds.
    report, idle_s
        Return the status of the service, and the time since the last turn of its serving loop, s.
    viewers
        Shows the live page to browsers; None: there is no page.

    Raises
    ------
    ServiceError
        if the address is not on loopback, or taken.
    """

    def __init__(
        self,
        address: str,
        report: Callable[[], ServiceStatus],
        idle_s: Callable[[], float],
        *,
        viewers: Viewers | None = None,
    ) -> None:
        host, _, port = address.partition(":")
        if host != "127.0.0.1" or not port.isdecimal() or int(port) > 65535:
            raise ServiceError(f"expected an HTTP address 127.0.0.1:PORT, got {address!r}")

        class Handler(_Handler):
            pages = staticmethod(lambda path: _page(path, report, idle_s))
            files = {} if viewers is None else page_files()
            live = viewers

        try:
            self._server = _Server((host, int(port)), Handler)
        except OSError as error:
            raise ServiceError(
                f"http://{address} cannot be used ({error.strerror}): choose another port (0 finds one)"
            ) from error
        self.address = f"{host}:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.2,), name="health", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop the server and its thread."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


# an HTTPServer would look up the name of our address in the DNS
class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
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


class _Handler(http.server.BaseHTTPRequestHandler):
    timeout = _REQUEST_S
    server_version = "shiftvae"
    sys_version = ""
    files: Mapping[str, tuple[str, bytes]]
    live: Viewers | None

    @staticmethod
    def pages(path: str) -> tuple[int, str, str]:
        """Return status, content type and text of the page at `path`."""
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
        policy = "default-src 'none'"
        foreign = self._foreign()
        path = self.path.partition("?")[0]
        if foreign:
            status, kind, body = 403, "text/plain", foreign.encode()
        elif path == _LIVE and self.live is not None:
            if text_too and self._become_live(self.live):
                return
            status, kind, body = 400, "text/plain", b"the WebSocket of the live page\n"
        elif path == _ARCHIVE and self.live is not None:
            status, kind, body = _archive(self.path, self.live)
        elif path in self.files:
            status, policy = 200, POLICY
            kind, body = self.files[path]
        else:
            status, kind, text = self.pages(path)
            body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8" if kind.startswith("text/") else kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Content-Security-Policy", policy)
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()
        if text_too:
            self.wfile.write(body)

    def _foreign(self) -> str:
        """Reason to refuse a request that a foreign page may have sent; empty if there is none."""
        host = self.headers.get("Host") or ""
        if (host.rpartition(":")[0] or host) not in ("127.0.0.1", "localhost"):
            return "only requests to 127.0.0.1 or localhost are answered\n"
        if self.headers.get("Origin", f"http://{host}") != f"http://{host}":
            return "only requests of the page itself are answered\n"
        return ""

    def _become_live(self, viewers: Viewers) -> bool:
        """Make this connection the WebSocket of a viewer; False if it is none, or there are too many."""
        try:
            answer = handshake(dict(self.headers.items()))
        except WebSocketError:
            return False
        if viewers.full:
            return False
        self.wfile.write(answer)
        viewers.admit(self.connection.dup())
        return True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class calls it so
        """Log nothing: probes come every few seconds."""


def _cut_off(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _archive(path: str, viewers: Viewers) -> tuple[int, str, bytes]:
    """Return status, content type and bytes of the archive that `path` names."""
    asked = parse_qs(path.partition("?")[2])
    stream, seq = (asked.get(name, [""])[0] for name in ("stream", "seq"))
    found = viewers.archive(stream, int(seq)) if seq.isdecimal() and len(seq) < 20 else None
    if found is None:
        return 404, "text/plain", b"the service no longer has this frame\n"
    return 200, "application/octet-stream", found


def _page(path: str, report: Callable[[], ServiceStatus], idle_s: Callable[[], float]) -> tuple[int, str, str]:
    if path == "/livez":
        now = report()
        alive = idle_s() - now.busy_s < _TURN_S
        stuck = f"no turn of the serving loop for {idle_s():.1f} s\n"
        return (200, "text/plain", "ok\n") if alive else (503, "text/plain", stuck)
    if path == "/readyz":
        return (200, "text/plain", "ready\n") if report().ready else (503, "text/plain", "stopping\n")
    if path == "/metrics":
        return 200, "text/plain; version=0.0.4", metrics_text(report())
    return 404, "text/plain", "/, /livez, /readyz or /metrics\n"


def metrics_text(status: ServiceStatus) -> str:
    """Return the figures in the text format of Prometheus."""
    lines: list[str] = []

    def family(name: str, kind: str, about: str, samples: dict[str, float | None]) -> None:
        lines.extend((f"# HELP shiftvae_{name} {about}", f"# TYPE shiftvae_{name} {kind}"))
        lines.extend(f"shiftvae_{name}{labels} {value:g}" for labels, value in samples.items() if value is not None)

    report = status.report
    total = msgspec.structs.asdict(report.total)
    offered = total.pop("offered")
    family("frames_offered_total", "counter", "Frames that producers offered.", {"": offered})
    family(
        "frames_total",
        "counter",
        "Frames by outcome.",
        {f'{{outcome="{name}"}}': count for name, count in total.items()},
    )
    family("results_total", "counter", "Results published.", {"": report.results})
    about = "Frames unlike the training data of the model."
    family("out_of_domain_total", "counter", about, {"": report.out_of_domain})
    family("malformed_total", "counter", "Messages that break the protocol.", {"": report.malformed})
    family("unanswered_total", "counter", "Answers that could not be delivered.", {"": report.unanswered})
    family("unrecorded_total", "counter", "Live results missing from the journal.", {"": report.unrecorded})
    family("refused_clients_total", "counter", "Connections refused for their key.", {"": report.refused_clients})
    for name, low, high in (
        ("age", report.age_p50_ms, report.age_p99_ms),
        ("encode", report.encode_p50_ms, report.encode_p99_ms),
    ):
        samples = {'{quantile="0.5"}': low, '{quantile="0.99"}': high}
        seconds = {label: None if value is None else value / 1e3 for label, value in samples.items()}
        family(f"{name}_seconds", "gauge", f"{name.capitalize()} of the last 4096 messages.", seconds)
    family("producers", "gauge", "Connected producers.", {"": status.producers})
    family("readers", "gauge", "Subscribed readers.", {"": status.readers})
    family("uptime_seconds", "gauge", "Time since the start.", {"": status.uptime_s})
    family("model_swaps_total", "counter", "Models swapped in.", {"": status.swaps})
    about = "Models taken back after a failure on their first frame."
    family("model_rollbacks_total", "counter", about, {"": status.rollbacks})
    family("model_info", "gauge", "The current model.", {f'{{sha256="{status.model_sha256}"}}': 1})
    return "\n".join(lines) + "\n"
