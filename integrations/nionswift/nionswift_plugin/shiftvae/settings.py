"""Addresses of the service, and what is shown: from the environment at the start, then from the panel."""

from __future__ import annotations

import dataclasses
import os

from shiftvae_client.stream.transport.sockets import check_endpoint


@dataclasses.dataclass(frozen=True)
class Settings:
    """Where the service is, and what of its maps is shown.

    Attributes
    ----------
    ingest, results, control
        Endpoints of the service; SHIFTVAE_INGEST, SHIFTVAE_RESULTS, SHIFTVAE_CONTROL.
    key
        Path of the client's key file, if the service requires one; SHIFTVAE_KEY.
    everything
        True: also the shift latents, latents that training did not use, and displacements.
    """

    ingest: str = "tcp://127.0.0.1:5701"
    results: str = "tcp://127.0.0.1:5702"
    control: str = "tcp://127.0.0.1:5703"
    key: str | None = None
    everything: bool = False

    @classmethod
    def read(cls) -> Settings:
        """Settings of the environment, else the defaults."""
        names = {"ingest", "results", "control", "key"}
        found = {name: os.environ.get(f"SHIFTVAE_{name.upper()}") for name in names}
        return cls(**{name: value for name, value in found.items() if value})

    def check(self) -> None:
        """Raise `ServiceError` for an address that is none."""
        for endpoint in (self.ingest, self.results, self.control):
            check_endpoint(endpoint, numeric=False)
