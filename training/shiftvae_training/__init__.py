"""The offline half: from a recorded scan to a model file. Needs the extra ``[train]``."""

from __future__ import annotations

__all__: list[str] = []
