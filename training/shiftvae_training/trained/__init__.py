"""A trained model in a program."""

from __future__ import annotations

__all__: list[str] = []
