"""State of a fleet, and the requests of clients for it: one address is enough to find any service.

The address is ``fleet://127.0.0.1:PORT``, that of the status page. A request is a plain HTTP GET on loopback.
"""

from __future__ import annotations

import http.client
from typing import Literal, TypeVar
from urllib.parse import quote, unquote

import msgspec

from ..errors import ServiceError

__all__ = [
    "SCHEME",
    "FleetStatus",
    "Missing",
    "ServiceState",
    "find_service",
    "fleet_status",
    "is_fleet",
    "resolve",
]

SCHEME = "fleet://"
#: Time that the fleet has for an answer, s.
_ANSWER_S = 3.0

_Wanted = TypeVar("_Wanted")


class ServiceState(msgspec.Struct, frozen=True, kw_only=True):
    """A service of a fleet.

    Attributes
    ----------
    name, model, streams, cuda_visible_devices
        As in the file of the fleet.
    ingest, results, control, http
        Its endpoints, and the address of its live page. They stay the same when it is started again.
    state
        ``"starting"``, ``"ready"``, ``"waiting"`` (it ended, and is started again soon) or ``"stopped"``.
    pid
        Its process, None if there is none.
    restarts
        How often it was started again.
    reason
        Why it ended or was ended the last time; empty if it never did.
    offered, processed
        Frames since its last start.
    """

    name: str
    model: str
    streams: tuple[str, ...]
    cuda_visible_devices: str | None
    ingest: str
    results: str
    control: str
    http: str
    state: Literal["starting", "ready", "waiting", "stopped"]
    pid: int | None
    restarts: int
    reason: str
    offered: int
    processed: int


class FleetStatus(msgspec.Struct, frozen=True, kw_only=True):
    """State of a fleet.

    Attributes
    ----------
    ready
        True if every service is.
    uptime_s
        Time since its start, s.
    services
        Its services, in the order of the file.
    """

    ready: bool
    uptime_s: float
    services: tuple[ServiceState, ...]


class Missing(msgspec.Struct, frozen=True, kw_only=True):
    """Answer of a directory without a service for a stream."""

    error: str


def is_fleet(endpoint: str) -> bool:
    """Tell whether an endpoint is that of a fleet."""
    return endpoint.startswith(SCHEME)


def find_service(fleet: str, stream: str) -> ServiceState:
    """Ask the directory of a fleet, ``fleet://127.0.0.1:PORT``, for the service of `stream`.

    Raises
    ------
    ServiceError
        if there is no fleet at that address, or it has no service for the stream.
    """
    status, body = _get(fleet, f"/directory?stream={quote(stream, safe='')}")
    if status == 404:
        raise ServiceError(f"the fleet at {fleet}: {_read(body, Missing, fleet).error}")
    return _read(body, ServiceState, fleet)


def fleet_status(fleet: str) -> FleetStatus:
    """Ask a fleet, ``fleet://127.0.0.1:PORT``, for its state.

    Raises
    ------
    ServiceError
        if there is no fleet at that address.
    """
    return _read(_get(fleet, "/status.json")[1], FleetStatus, fleet)


def resolve(endpoint: str, door: Literal["ingest", "results"], stream: str | None = None) -> str:
    """Give the endpoint of a service; one that is not of a fleet is given back unchanged.

    Parameters
    ----------
    endpoint
        ``tcp://HOST:PORT``, ``fleet://127.0.0.1:PORT`` or ``fleet://127.0.0.1:PORT/STREAM``.
    door
        Which of the service's endpoints.
    stream
        Name of the stream where the endpoint has none.

    Raises
    ------
    ServiceError
        as for `find_service`, or if no stream is named.
    """
    if not is_fleet(endpoint):
        return endpoint
    host, _, named = endpoint.removeprefix(SCHEME).partition("/")
    wanted = unquote(named) or stream
    if not wanted:
        raise ServiceError(f"{endpoint} names no stream: write {SCHEME}{host}/STREAM")
    found = find_service(f"{SCHEME}{host}", wanted)
    return found.ingest if door == "ingest" else found.results


def _get(fleet: str, path: str) -> tuple[int, bytes]:
    host = fleet.removeprefix(SCHEME).rstrip("/")
    try:
        connection = http.client.HTTPConnection(host, timeout=_ANSWER_S)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise ServiceError(
            f"no fleet answers at {fleet} ({error}): start one with `shiftvae fleet FLEET.toml`, or name its address"
        ) from None


def _read(body: bytes, kind: type[_Wanted], fleet: str) -> _Wanted:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as error:
        raise ServiceError(f"what answers at {fleet} is no fleet of this version ({error})") from None
