"""Archives: long movies mapped block by block into a HyperSpy folder, by one process or many, with resume."""

from __future__ import annotations

from .run import ArchiveSummary, map_archive

__all__ = ["ArchiveSummary", "map_archive"]
