"""HTTP on loopback: the live page, and ``/livez``, ``/readyz``, ``/metrics`` for supervisors and Prometheus."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import msgspec

from ...view.loopback import Answer, Handler, listen
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
#: Path of the WebSocket of the page.
_LIVE = "/live"
#: Path of what is shown, as `?stream=NAME&seq=NUMBER`.
_ARCHIVE = "/shown.npz"


class Health:
    """A small HTTP server on threads of its own; a request may take 2 s, but for the WebSocket of the page.

    It answers the requests that a `loopback.Handler` may answer.

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
        files = {} if viewers is None else page_files()

        class HealthHandler(Handler):
            def content(self, path: str, *, text_too: bool) -> Answer | None:
                if path == _LIVE and viewers is not None:
                    if text_too and self._become_live(viewers):
                        return None
                    return Answer(400, "text/plain", b"the WebSocket of the live page\n")
                if path == _ARCHIVE and viewers is not None:
                    return Answer(*_archive(self.path, viewers))
                if path in files:
                    return Answer(200, *files[path], POLICY)
                status, kind, text = _page(path, report, idle_s)
                return Answer(status, kind, text.encode())

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

        self._server = listen(address, HealthHandler)
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.2,), name="health", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop the server and its thread."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


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
