"""Pictures of frames and latent maps, and the HTML that a notebook shows of an object. Drawing needs matplotlib."""

from __future__ import annotations

__all__: list[str] = []
