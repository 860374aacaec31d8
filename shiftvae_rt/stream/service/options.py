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
        ``127.0.0.1:PORT`` for ``/livez``, ``/readyz``, ``/metrics``; None: none.
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
    journal: Path | None = None
    record: bool = False
    keys: Path | None = None
    models: Path | None = None
    signed_by: Path | None = None
    max_age_s: float = 0.25
    threads: int = 1
