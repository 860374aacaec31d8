"""The four doors of a service without the service, so that a test sees every message that gets through one."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import zmq
from stream_support import FREE

from shiftvae_rt.stream import KeyFolder
from shiftvae_rt.stream.transport.gatekeeper import Gatekeeper
from shiftvae_rt.stream.transport.sockets import DOORS, bind

#: Bytes that ZMTP 1.0 takes for messages wherever it begins to read: each is 34 long and says that nothing follows.
MESSAGES = b'"' * 4000


class Doors:
    """Every door on a free port, with keys or without."""

    def __init__(self, keys: Path | None) -> None:
        self.context = zmq.Context()
        self.gatekeeper = Gatekeeper(self.context, None if keys is None else KeyFolder.create(keys))
        bound = {name: bind(self.context, name, FREE, self.gatekeeper) for name in DOORS}
        self.sockets: dict[str, Any] = {name: socket for name, (socket, _) in bound.items()}
        self.ports = {name: int(endpoint.rpartition(":")[2]) for name, (_, endpoint) in bound.items()}

    def heard(self) -> set[str]:
        """Names of the doors through which a message has come."""
        return {name for name, socket in self.sockets.items() if socket.poll(0)}

    def heard_within(self, limit_s: float) -> set[str]:
        """As `heard`, after `limit_s`, or as soon as something has come through every door."""
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline and self.heard() != DOORS.keys():
            time.sleep(0.01)
        return self.heard()

    def close(self) -> None:
        for socket in self.sockets.values():
            socket.close()
        self.gatekeeper.close()
        self.context.destroy(linger=0)
