"""Maps of a frame as they grow, and the fields that follow from them."""

from __future__ import annotations

import numpy as np

from ..fields import field_names, field_units
from ..kernels.lattice_fields import FieldStream
from ..latent_map import LatentMap
from ..pictures.captions import drawn_field
from .canvas import Canvas

__all__ = ["Maps"]


class Maps:
    """The maps of a frame, over those of the frame before.

    Parameters
    ----------
    first
        Any rows of the map.
    before
        Maps of the frame before, if there are any.

    Attributes
    ----------
    bands
        The rows as they came, with all their values; a complete map replaces them.
    words
        A latent map without rows, for names, units and grid.
    latents
        The growing maps.
    fields
        Fields of the rows so far, made by the reading thread alone, see `follow_fields`. None for a model without a
        lattice, and for a map of which not every row is kept: a field needs its neighbours.
    field_names, field_units
        Their names and units.
    """

    def __init__(self, first: LatentMap, before: Maps | None) -> None:
        grid, self.words = first.grid, _words_of(first)
        if before is not None and before.words.model_sha256 != first.model_sha256:
            before = None
        shape, whole = (len(first.names), grid.rows, grid.cols), first.mean.shape[1] == grid.rows
        self.latents: Canvas = Canvas(shape, None if before is None else before.latents, whole=whole)
        self.bands: list[LatentMap] = []
        self.fields: Canvas | None = None
        self.field_names: tuple[str, ...] = ()
        self.field_units: tuple[str, ...] = ()
        self._followed = first.lattice is not None and self.latents.step == 1
        reads = 0 if first.lattice is None else first.lattice.latents
        self._deviations = Canvas((reads, grid.rows, grid.cols), whole=whole) if self._followed else None
        self._from_top = False  # row 0 has come
        self._stream: FieldStream | None = None
        self._pushed = 0  # rows that it has taken
        # The last maps with fields, until there are fields of this frame: never a chain.
        self._before: Maps | None = before if before is None or before.fields is not None else before._before

    def put(self, rows: LatentMap) -> None:
        """Write rows of the maps."""
        if self._deviations is not None:
            self._deviations.put(rows.std[: self._deviations.shape[0]], rows.first_row)
        self.latents.put(rows.mean, rows.first_row)  # after the deviations: its rows are counted
        self._from_top |= rows.first_row == 0
        if rows.mean.shape[1] == rows.grid.rows:
            self.bands = [rows]
        else:
            self.bands.append(rows)

    def follow_fields(self) -> None:
        """Compute the fields of the rows that have come since the last call."""
        lattice, deviations, grid = self.words.lattice, self._deviations, self.words.grid
        if lattice is None or deviations is None:
            return
        rows = self.latents.rows
        if self.fields is None:
            before = None if self._before is None else self._before.fields
            self.field_names, self.field_units = field_names(lattice), field_units(lattice)
            shape, whole = (len(self.field_names), grid.rows, grid.cols), rows == grid.rows and self._from_top
            self._stream, self.fields = FieldStream(grid, lattice), Canvas(shape, before, whole=whole)
            self._before = None
        if self._stream is None or not self._from_top or rows == self._pushed:
            return
        new = slice(self._pushed, rows)
        found = self._stream.push(self.latents.values[:, new], deviations.values[:, new])
        self._pushed = rows
        shown = [drawn_field(*each) for each in zip(self.field_names, found.mean, found.std, strict=True)]
        self.fields.put(np.stack(shown), found.first_row)


def _words_of(latent_map: LatentMap) -> LatentMap:
    """Names, units and grid of a map, without its arrays: those may be as large as the frame."""
    none = np.empty((len(latent_map.names), 0, 0), np.float32)
    return LatentMap(
        mean=none,
        std=none,
        names=latent_map.names,
        units=latent_map.units,
        varies=latent_map.varies,
        grid=latent_map.grid,
        model_sha256=latent_map.model_sha256,
        pixel_size_nm=latent_map.pixel_size_nm,
        lattice=latent_map.lattice,
    )
