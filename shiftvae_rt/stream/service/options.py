"""Options of a service."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Options"]


@dataclass(frozen=True)
class Options:
    """Options of a service, beyond its model and its ingest and results endpoints.

    Parameters
    ----------
    control
        Endpoint for requests; None: it takes none.
    open_ingest
        Endpoint for foreign producers that PUSH, best effort; None: none.
    http
        ``127.0.0.1:PORT`` for the page, ``/livez``, ``/readyz``, ``/metrics``; None: none.
    page
        False: no live page there. With `keys` there is none: a browser shows no key, and whoever uses this computer
        would see the scan.
    journal
        File of the lossless mode; None: lossless streams are refused.
    record
        Keep the results of live streams in the journal too.
    keys
        Folder of keys; None: no keys, loopback only.
    models
        Folder of the models that may be swapped in; None: none may.
    signed_by
        File of a public key: a model that is swapped in must be signed by its owner; None: it need not be.
    max_age_s
        Largest age of live rows when they are about to be encoded, s; older ones are dropped as stale.
    threads
        Number of threads of a model that is swapped in.
    """

    control: str | None = None
    open_ingest: str | None = None
    http: str | None = None
    page: bool = True
    journal: Path | None = None
    record: bool = False
    keys: Path | None = None
    models: Path | None = None
    signed_by: Path | None = None
    max_age_s: float = 0.25
    threads: int = 1
