"""Division of the training frames into grains, for a new model and for one whose training continues."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shiftvae_rt.errors import LatticeError

from ..lattice.cell import known_lattice, lattice_with_cell
from ..lattice.find import Lattice, adopt_lattice, find_lattice
from ..lattice.grains import Grains, find_grains, label_frames
from ..model.grain_shift import GrainShift
from ..model.shift import TorusShift
from ..model.shift_vae import ShiftVAE
from ..sampling import Frames, TileSampler, places_in_one_grain, places_within
from ..scans import has_contrast
from ..training_frames import TrainingFrames
from .grain_terms import GrainTerms
from .settings import Settings

__all__ = ["Area", "divide", "on_the_lattice", "takes_all_frames"]


@dataclass(frozen=True)
class Area:
    """Lattices of the training frames, and where each is seen.

    Attributes
    ----------
    lattice
        The lattice; with several grains that of the first, with the area of all.
    grains
        The grains; None for a single one.
    plain, first
        Frames ``(C, H, W)`` and lattice for all that takes one lattice: with several grains one frame, and the lattice
        where it shows the first.
    """

    lattice: Lattice
    grains: Grains | None
    plain: Frames
    first: Lattice

    def with_room(self, frames: Frames, side: int) -> Area:
        """Area of the grains that hold a tile of `side` px; of the first alone if no other does."""
        if self.grains is None:
            return self
        roomy = [k for k in range(len(self.grains.cells)) if _holds(self.grains, k, (side, side))]
        if len(roomy) == len(self.grains.cells):
            return self
        if len(roomy) < 2:
            return replace(self, lattice=self.first, grains=None)
        cells = self.grains.cells[roomy]
        grains = Grains(cells, label_frames(frames, cells))
        return replace(self, lattice=replace(self.lattice, where=grains.where), grains=grains)

    def places(self, frames: TrainingFrames, tile: tuple[int, int]) -> list[NDArray[np.bool_]]:
        """First pixels of the tiles of each frame that show the lattice; with several grains, one of them alone.

        Frames without several grains share their mask.
        """
        if self.grains is None:
            where = self.lattice.where
            shown = places_within(np.ones(frames.shape[1:], bool) if where is None else where, tile)
            blank = np.zeros_like(shown)
            return [shown if lit else blank for lit in frames.lit]
        return [places_in_one_grain(labels, tile) for labels in self.grains.labels]

    def terms(self, sampler: TileSampler, places: list[NDArray[np.bool_]]) -> GrainTerms | None:
        """Term of the objective for the label; None for a single grain. `sampler` draws tiles at `places`."""
        if self.grains is None:
            return None
        return GrainTerms(self.grains.labels, sampler.elsewhere([np.ones_like(each) for each in places]))


def divide(frames: Frames, lit: Frames, settings: Settings, known: ShiftVAE | None) -> Area:
    """Find the lattice of frames, and divide them into grains if there are several.

    Parameters
    ----------
    frames
        ``(C, H, W)`` each, raw.
    lit
        Those of them that have contrast.
    settings
        Choice of the cell; a planar shift knows no lattice, and frames with classes show different motifs.
    known
        Model whose training continues: its lattices are taken, in their order.

    Raises
    ------
    LatticeError
        if the frames have not the lattice of the model, or not the cell of the settings.
    """
    grains: Grains | None = None
    if known is not None and isinstance(known.shift, GrainShift):
        cells = known.shift.cells.double().numpy()
        lattice = find_lattice(lit)
        _check_known(lattice, cells)
        grains = Grains(cells, label_frames(frames, cells))
    elif known is not None and isinstance(known.shift, TorusShift):
        lattice = known_lattice(lit, known.shift.vectors.double().numpy())
    else:
        lattice, why = lattice_with_cell(lit, settings.cell), ""
        if settings.shift == "torus" and not settings.classes:
            grains, why = find_grains(frames, lattice)
        lattice = replace(lattice, reason=f"{lattice.reason}; {why}") if why else lattice
    if grains is not None or settings.decoder != "template" or settings.classes:  # these draw no order
        lattice = replace(lattice, superlattice=np.zeros((0, 2)))
    if grains is None:
        return Area(lattice, None, lit, lattice)
    index = next(i for i, frame in enumerate(frames) if frame is lit[0])
    whole = replace(lattice, vectors=grains.cells[0], where=grains.where)
    return Area(whole, grains, lit[:1], grains.in_first(lattice, index))


def takes_all_frames(settings: Settings, known: ShiftVAE | None) -> bool:
    """Tell whether a training is prepared on every frame: isolated features and grains are marked in each.

    `known` is the model whose training continues, if one does.
    """
    grains = known is not None and isinstance(known.shift, GrainShift)
    return settings.shift == "planar" or bool(settings.classes) or grains


def on_the_lattice(frame: NDArray[Any], lattice: Lattice, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Mask of the first pixels of tiles in ``frame (C, H, W)`` that show the lattice; all without one."""
    mask = np.full(frame.shape[1:], has_contrast(frame))
    return places_within(mask if lattice.where is None else mask & lattice.where, size)


def _holds(grains: Grains, number: int, tile: tuple[int, int]) -> bool:
    """Tell whether a tile lies inside one grain in some frame."""
    return any(places_in_one_grain(np.where(labels == number, labels, -1), tile).any() for labels in grains.labels)


def _check_known(lattice: Lattice, cells: NDArray[np.float64]) -> None:
    """Raise `LatticeError` unless one of the lattices found is one of the model."""
    error: LatticeError | None = None
    for vectors in (lattice.vectors, *lattice.further):
        for cell in cells:
            try:
                adopt_lattice(replace(lattice, vectors=vectors), cell)
            except LatticeError as refused:
                error = error or refused
            else:
                return
    if error is not None:
        raise error
