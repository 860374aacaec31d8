"""Check of an archive: every chunk is read, and compared with the status of its frames."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .layout import DONE, FAILED, OPEN, OUT_OF_DOMAIN, Archive

__all__ = ["reopen_damaged"]

_MAPS = ("Experiments/latent mean/data", "Experiments/latent std/data")


_OTHERS = ("score", "reason", *(f"Experiments/{title}/data" for title in ("fields", "field std", "out of domain")))


def reopen_damaged(archive: Archive, progress: Callable[[int, int], None] | None = None) -> list[range]:
    """Read all blocks that were committed, and open those again whose chunks are damaged; returns these.

    A chunk is damaged if its checksum is wrong, if a frame with a map has a NaN in it, or a frame without a map has
    one. `progress` is called with the number of frames that were read, and of all.
    """
    statuses, damaged = archive.statuses(), []
    for block in archive.blocks():
        at = slice(block.start, block.stop)
        if (statuses[at] != OPEN).any() and not _is_sound(archive, at, statuses[at]):
            archive.group["status"][at] = OPEN
            damaged.append(block)
        if progress is not None:
            progress(block.stop, archive.frames)
    return damaged


def _is_sound(archive: Archive, at: slice, statuses: np.ndarray[tuple[int], np.dtype[np.uint8]]) -> bool:
    try:
        maps = [np.asarray(archive.group[name][at]) for name in _MAPS]
        for name in _OTHERS:
            if name in archive.group:
                archive.group[name][at]
    except Exception:  # noqa: BLE001 - whatever a codec raises on a damaged chunk
        return False
    mapped = (statuses == DONE) | (statuses == OUT_OF_DOMAIN)
    known = np.all([np.isfinite(values).reshape(len(statuses), -1).all(axis=1) for values in maps], axis=0)
    return bool((known[mapped]).all() and not known[statuses == FAILED].any())
