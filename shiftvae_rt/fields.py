"""Fields: what the shift maps say in units, as displacement, strain and rotation of the lattice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .array_types import Float32

__all__ = [
    "FIELD_NAMES",
    "FIELD_UNITS",
    "Fields",
    "GrainLattice",
    "MeanLattice",
    "field_names",
    "field_units",
    "turn_between",
    "turn_in_words",
]

#: Names of the fields, in their order.
FIELD_NAMES = ("uy", "ux", "exx", "eyy", "exy", "rotation")
#: Their units.
FIELD_UNITS = ("px", "px", "%", "%", "%", "deg")


_Square = tuple[tuple[float, float], tuple[float, float]]


@dataclass(frozen=True)
class GrainLattice:
    """Mean lattice of a further grain: `vectors` and `gradient` as for `MeanLattice`."""

    vectors: _Square
    gradient: _Square = ((0.0, 0.0), (0.0, 0.0))


@dataclass(frozen=True)
class MeanLattice:
    """Lattice against which displacement and strain are measured.

    Attributes
    ----------
    vectors
        Two lattice vectors ``(y, x)``, px.
    gradient
        ``(2, 2)`` mean displacement along y and x, in px, for a px along y and x, which is taken off as no strain.
    aspect
        Height of a pixel over its width.
    further
        Lattices of the further grains, where there are several; the map then has a latent ``grain``.
    superlattice
        Superlattice vectors of the order latents, in reciprocal vectors of the lattice, each in -1/2 .. 1/2.
    """

    vectors: _Square
    gradient: _Square = ((0.0, 0.0), (0.0, 0.0))
    aspect: float = 1.0
    further: tuple[GrainLattice, ...] = ()
    superlattice: tuple[tuple[float, float], ...] = ()

    @property
    def latents(self) -> int:
        """Number of latents from which fields follow, the first ones of a map."""
        return 2 + (1 if self.further else 2 * len(self.superlattice))

    @property
    def grains(self) -> tuple[GrainLattice, ...]:
        """Lattices of all grains; of one if it is the only one."""
        return GrainLattice(self.vectors, self.gradient), *self.further

    def grains_in_words(self) -> str:
        """Misorientation of the further grains in words; "" for a single one."""
        said = []
        for number, grain in enumerate(self.further, 1):
            turn, mirrored = turn_between(self.vectors, grain.vectors)
            said.append(f"grain {number} is {turn_in_words(turn, mirrored=mirrored)}")
        return f"{', '.join(said)} against grain 0" if said else ""


def turn_between(first: ArrayLike, second: ArrayLike) -> tuple[float, bool]:
    """Turn in degrees from one cell ``(2, 2)`` to another, counter-clockwise as seen; and whether it is mirrored.

    A mirrored cell has no turn of its own: that of the first lattice vector, modulo 180 degrees, is given.
    """
    one, other = np.asarray(first, float), np.asarray(second, float)
    change = np.linalg.inv(one) @ other
    if np.linalg.det(change) < 0:
        before, after = (np.degrees(np.arctan2(-cell[0, 0], cell[0, 1])) for cell in (one, other))
        return float((after - before + 90) % 180 - 90), True
    u, _, v = np.linalg.svd(change)
    (yy, yx), _ = u @ v  # a row (y, x) times this matrix is turned
    return float(np.degrees(np.arctan2(yx, yy))), False


def turn_in_words(turn_deg: float, *, mirrored: bool) -> str:
    """Turn of a grain against another in words, from the two values that `turn_between` gives."""
    text = f"{'mirrored and ' if mirrored else ''}turned by {abs(turn_deg):.1f} degrees"
    return text if round(turn_deg, 1) == 0 else f"{text} {'counter-clockwise' if turn_deg > 0 else 'clockwise'}"


def field_names(lattice: MeanLattice) -> tuple[str, ...]:
    """Names of the fields of maps on a lattice: the grain comes last, or ``order1``, ``antiphase1``, ..."""
    return _all_of(FIELD_NAMES, 6 + (1 if lattice.further else 2 * len(lattice.superlattice)), names=True)


def field_units(lattice: MeanLattice) -> tuple[str, ...]:
    """Units of the fields in the order of `field_names`."""
    return _all_of(FIELD_UNITS, len(field_names(lattice)), names=False)


def _all_of(first: tuple[str, ...], count: int, *, names: bool) -> tuple[str, ...]:
    """Names or units of `count` fields: of the lattice, then a single one of the grain, or pairs of the order."""
    further = count - len(first)
    if further % 2:
        return (*first, "grain" if names else "")
    if not names:
        return first + ("", "deg") * (further // 2)
    return first + tuple(f"{name}{i + 1}" for i in range(further // 2) for name in ("order", "antiphase"))


@dataclass(frozen=True, repr=False)
class Fields:
    """Displacement and strain against the lattice of the model, at the windows of a map or of a band of its rows.

    Attributes
    ----------
    mean, std
        ``(6, rows, cols)`` float32, more with several grains or order: values and standard deviations, in `units`.
        ``uy, ux`` is the displacement of the motif nearest to each window, px along y (down) and x (right); its mean
        over the first row of the map is 0. ``exx, eyy, exy`` is the small strain in %, and ``rotation`` the turn of
        the lattice in degrees, positive from x towards y (clockwise as seen), both averaged over about one lattice
        period. With several grains, each window is measured against the mean lattice of its own grain, and the
        displacement has a mean of 0 in the first row of each. The last field is then the number of the ``grain``
        and, as its deviation, the chance that it is another; windows without a grain have -1 there, and NaN elsewhere.
        For each superlattice vector ``order1`` is the degree of order, 1 in well ordered parts of the training scan,
        and ``antiphase1`` its phase in degrees against the lattice: antiphase domains of a doubled cell lie 180 degrees
        apart.
    first_row
        Index of the first row in the grid of windows.
    """

    mean: Float32
    std: Float32
    first_row: int = 0

    @property
    def names(self) -> tuple[str, ...]:
        """Names in the order of `mean`."""
        return _all_of(FIELD_NAMES, len(self.mean), names=True)

    @property
    def units(self) -> tuple[str, ...]:
        """Units in the order of `mean`."""
        return _all_of(FIELD_UNITS, len(self.mean), names=False)

    def __repr__(self) -> str:
        _, rows, cols = self.mean.shape
        return f"<Fields {', '.join(self.names)}: {rows} x {cols} windows from row {self.first_row}>"

    def __getitem__(self, name: str) -> Float32:
        """Values ``(rows, cols)`` of the field called `name`; KeyError lists the names."""
        if name not in self.names:
            raise KeyError(f"no field {name!r}: expected one of {', '.join(self.names)}")
        values: Float32 = self.mean[self.names.index(name)]
        return values
