"""The live page: what the service sees, in a browser on this machine. It knows no zmq and nothing of the service."""

from __future__ import annotations

__all__: list[str] = []
