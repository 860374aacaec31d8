"""Pictures of frames and latent maps, and what a notebook shows of an object. Needs matplotlib when it draws."""

from __future__ import annotations

__all__: list[str] = []
