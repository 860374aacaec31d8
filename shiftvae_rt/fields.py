"""Fields: what the shift maps say in units, as displacement, strain and rotation of the lattice."""

from __future__ import annotations

from dataclasses import dataclass

from .array_types import Float32

__all__ = ["FIELD_NAMES", "FIELD_UNITS", "Fields", "MeanLattice"]

#: Names of the fields, in their order.
FIELD_NAMES = ("uy", "ux", "exx", "eyy", "exy", "rotation")
#: Their units.
FIELD_UNITS = ("px", "px", "%", "%", "%", "deg")


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
    """

    vectors: tuple[tuple[float, float], tuple[float, float]]
    gradient: tuple[tuple[float, float], tuple[float, float]] = ((0.0, 0.0), (0.0, 0.0))
    aspect: float = 1.0


@dataclass(frozen=True, repr=False)
class Fields:
    """Displacement and strain against the lattice of the model, at the windows of a map or of a band of its rows.

    Attributes
    ----------
    mean, std
        ``(6, rows, cols)`` float32: values and standard deviations, in `units`. ``uy, ux`` is the displacement of
        the motif nearest to each window, px along y (down) and x (right); its mean over the first row of the map is 0.
        ``exx, eyy, exy`` is the small strain in %, and ``rotation`` the turn of the lattice in degrees, positive from
        x towards y (clockwise as seen), both averaged over about one lattice period.
    first_row
        Index of the first row in the grid of windows.
    """

    mean: Float32
    std: Float32
    first_row: int = 0

    @property
    def names(self) -> tuple[str, ...]:
        """Names in the order of `mean`."""
        return FIELD_NAMES

    @property
    def units(self) -> tuple[str, ...]:
        """Units in the order of `mean`."""
        return FIELD_UNITS

    def __repr__(self) -> str:
        _, rows, cols = self.mean.shape
        return f"<Fields {', '.join(FIELD_NAMES)}: {rows} x {cols} windows from row {self.first_row}>"

    def __getitem__(self, name: str) -> Float32:
        """Values ``(rows, cols)`` of the field called `name`; KeyError lists the names."""
        if name not in FIELD_NAMES:
            raise KeyError(f"no field {name!r}: expected one of {', '.join(FIELD_NAMES)}")
        values: Float32 = self.mean[FIELD_NAMES.index(name)]
        return values
