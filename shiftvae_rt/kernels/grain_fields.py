"""Fields of maps with several grains, from a stream for each lattice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from ..array_types import Float32
from ..fields import Fields

__all__ = ["GrainFields", "LatticeStream"]


class LatticeStream(Protocol):
    """Fields against one lattice, as its rows come."""

    def push(self, shift: Float32, sd: Float32) -> tuple[Float32, Float32]:
        """Values and deviations ``(6, rows, cols)`` of the rows that became complete with ``shift, sd (2, n, cols)``.

        Windows with an infinite deviation are unknown.
        """


class GrainFields:
    """Rows of a map to the stream of each lattice, and their fields to one set of fields.

    Parameters
    ----------
    streams
        One for each grain; a single one takes all windows.
    cols
        Windows in a row.
    """

    def __init__(self, streams: Sequence[LatticeStream], cols: int) -> None:
        self._streams, self._row = streams, 0
        self._waiting = np.empty((2, 0, cols), np.float32)  # grains of the rows whose fields are to come

    def push(self, mean: Float32, std: Float32) -> Fields:
        """Take rows ``(L, n, cols)`` of shift, grain (if there are several) and further latents; see `FieldStream`."""
        shift, sd = mean[:2], std[:2]
        if len(self._streams) == 1:
            found = self._streams[0].push(shift, sd)
            first, self._row = self._row, self._row + found[0].shape[1]
            return Fields(*found, first)
        parts = [
            stream.push(shift, np.where(mean[2] == number, sd, np.float32(np.inf)).astype(np.float32))
            for number, stream in enumerate(self._streams)
        ]
        fields, complete, cols = parts[0][0].shape
        self._waiting = np.concatenate([self._waiting, np.stack([mean[2], std[2]])], axis=1)
        grain, self._waiting = self._waiting[:, :complete], self._waiting[:, complete:]
        joined = np.full((2, fields + 1, complete, cols), np.nan, np.float32)
        joined[:, -1] = grain
        for number, part in enumerate(parts):
            for to, values in zip(joined, part, strict=True):
                np.copyto(to[:-1], values, where=grain[0] == number)
        first, self._row = self._row, self._row + complete
        return Fields(joined[0], joined[1], first)
