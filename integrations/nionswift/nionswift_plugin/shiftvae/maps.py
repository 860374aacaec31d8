"""Maps and fields of one stream, as they grow with the scan. Runs on the reader's thread; items read copies."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
from shiftvae_client import Result, WireError
from shiftvae_client.kernels.lattice_fields import FieldStream


@dataclasses.dataclass(frozen=True)
class Quantity:
    """One map of a stream: a latent, or a field.

    Attributes
    ----------
    name, unit
        As the model has them.
    values
        ``(rows, cols)``; NaN where the scan has not been.
    minor
        True for a quantity that is shown only with `Settings.everything`.
    """

    name: str
    unit: str
    values: np.ndarray
    minor: bool


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """All maps of a stream at one moment, with the result that came last and what the plug-in said of its scan."""

    quantities: tuple[Quantity, ...]
    result: Result
    context: dict[str, Any]


class Maps:
    """The maps of one stream."""

    def __init__(self) -> None:
        self._frame: tuple[object, ...] = ()
        self._latents = self._fields = np.zeros((0, 0, 0), np.float32)
        self._next_row = 0  # of the map; rows are missing if another comes
        self._stream: FieldStream | None = None
        self._about: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())

    def take(self, result: Result) -> Snapshot:
        """Add the rows of `result`, and give what there is.

        Raises
        ------
        WireError
            for a context that is not ours.
        """
        context = _read_context(result.context)
        band = result.latent_map
        frame = (result.epoch, result.frame_seq, band.model_sha256)
        if frame != self._frame or result.complete:  # a whole map replaces its bands, also those that were missed
            self._frame, self._next_row = frame, 0
            self._latents = np.full((len(band.names), band.grid.rows, band.grid.cols), np.nan, np.float32)
            self._stream = None if band.lattice is None else FieldStream(band.grid, band.lattice)
            self._fields = np.full((6, band.grid.rows, band.grid.cols), np.nan, np.float32)
        first, last = band.first_row, band.first_row + band.mean.shape[1]
        self._latents[:, first:last] = band.mean
        if first == self._next_row and self._stream is not None:
            fields = self._stream.push(band.mean[:2], band.std[:2])
            self._fields[:, fields.first_row : fields.first_row + fields.mean.shape[1]] = fields.mean
            self._about = fields.names, fields.units
            self._next_row = last
        return Snapshot(tuple(self._quantities(result)), result, context)

    def _quantities(self, result: Result) -> list[Quantity]:
        band = result.latent_map
        found = [
            Quantity(name, unit, values.copy(), minor=not varies or unit == "px")
            for name, unit, varies, values in zip(band.names, band.units, band.varies, self._latents, strict=True)
        ]
        found += [
            Quantity(name, unit, values.copy(), minor=unit == "px")
            for name, unit, values in zip(*self._about, self._fields, strict=False)
        ]
        return found


def _read_context(text: str) -> dict[str, Any]:
    try:
        context = json.loads(text)
        valid = isinstance(context, dict) and len(context["calibrations"]) == 2
    except (ValueError, KeyError, TypeError):
        valid = False
    if not valid:
        raise WireError(f"expected a context of this plug-in, got {text!a:.100}")
    return context  # type: ignore[no-any-return]
