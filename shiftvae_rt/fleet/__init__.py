"""Several services under one command: started, watched, started again, found by the names of their streams.

No data goes through the fleet. A client asks the directory for the address of the service of its stream and talks to
that service alone.
"""

from __future__ import annotations

from .directory import FleetStatus, ServiceState, find_service, fleet_status
from .fleet import Fleet
from .settings import FleetSettings, ServiceEntry, read_fleet

__all__ = [
    "Fleet",
    "FleetSettings",
    "FleetStatus",
    "ServiceEntry",
    "ServiceState",
    "find_service",
    "fleet_status",
    "read_fleet",
]
