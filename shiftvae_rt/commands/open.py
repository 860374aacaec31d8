"""Open the live page of a running service, or the report of a model file, in the browser."""

from __future__ import annotations

import argparse
import http.client
import tempfile
import webbrowser
from pathlib import Path

from ..errors import DataFileError, ModelFileError, ServiceError
from ..names import shown
from .text import answer

__all__ = ["add_arguments", "run"]

_PAGE = "127.0.0.1:5780"
#: Time that a service has for an answer, s.
_ANSWER_S = 3.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `shiftvae open`."""
    parser.add_argument(
        "what",
        nargs="?",
        default=_PAGE,
        metavar="WHAT",
        help="address of a service (default %(default)s), model file (.svae) whose report is opened, or report (.html)",
    )


def run(arguments: argparse.Namespace) -> None:
    """Find what is meant, say its address, and open it."""
    path = Path(arguments.what)
    if path.suffix.lower() == ".svae":
        address = _report_of(path).as_uri()
    elif path.suffix.lower() in (".html", ".htm"):
        if not path.is_file():
            raise DataFileError(f"there is no file {path}")
        address = path.resolve().as_uri()
    else:
        address = _page_of(arguments.what)
    opened = webbrowser.open(address)
    answer(shown(address) if opened else f"no browser was found: open {shown(address)} in one")


def _report_of(path: Path) -> Path:
    """Path of the report of a checked model file, in a new folder that only its owner can enter."""
    from ..model.model_file import ModelFile

    report = ModelFile.read(path).report
    if report is None:
        raise ModelFileError(f"{path} holds no report: it was exported without one")
    written = Path(tempfile.mkdtemp(prefix="shiftvae-")) / f"{path.stem}.html"
    written.write_text(report, encoding="utf-8")
    return written


def _page_of(what: str) -> str:
    """Address of the live page of the service at ``HOST:PORT``, once it has answered."""
    host = what.removeprefix("http://").rstrip("/")
    try:
        connection = http.client.HTTPConnection(host, timeout=_ANSWER_S)
        connection.request("GET", "/")
        answered = connection.getresponse()
        kind = answered.getheader("Content-Type") or ""
        connection.close()
    except (OSError, ValueError, http.client.HTTPException) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or error
        raise ServiceError(
            f"no service answers at http://{host}/ ({why}): start one with `shiftvae serve MODEL.svae`, or name the "
            "address that it printed, a model file (.svae) or a report (.html)"
        ) from None
    if answered.status != 200 or not kind.startswith("text/html"):
        raise ServiceError(f"the service at {host} shows no live page: it was started with --no-page or --keys")
    return f"http://{host}/"
