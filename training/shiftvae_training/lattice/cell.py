"""Choice of the cell where a sample has a superlattice, or another cell than the one that would be found."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any, TypeAlias, cast, get_args

import numpy as np
from numpy.typing import NDArray

from shiftvae_rt.array_types import Float64
from shiftvae_rt.errors import LatticeError

from .algebra import canonical, in_words
from .candidate import CellName
from .find import SAME, Lattice, adopt_lattice, find_lattice
from .local_phase import phase_tile, refine_reciprocal
from .mask import lattice_mask
from .peaks import prepare_frames

__all__ = ["Cell", "is_cell", "known_lattice", "lattice_with_cell", "parse_cell"]

Vector: TypeAlias = tuple[float, float]
#: Name of a choice, see `find_lattice`, or two lattice vectors (y, x) in px.
Cell: TypeAlias = CellName | tuple[Vector, Vector]

#: Waves by which given vectors are refined.
ORDERS = np.array([[1, 0], [0, 1], [1, 1], [1, -1], [2, 0], [0, 2]])
#: Two vectors span a cell if the sine of their angle is at least this.
LEAST_SINE = 0.2
#: Shortest vector, px.
SHORTEST = 3.0


def is_cell(value: object) -> bool:
    """Tell whether `value` is a `Cell`."""
    if isinstance(value, str):
        return value in get_args(CellName)
    if not isinstance(value, tuple) or len(value) != 2 or not all(isinstance(v, tuple) and len(v) == 2 for v in value):
        return False
    numbers = [number for vector in value for number in vector]
    if not all(isinstance(n, (int, float)) and not isinstance(n, bool) and math.isfinite(n) for n in numbers):
        return False
    (a, b), lengths = value, [math.hypot(*vector) for vector in value]
    return min(lengths) >= SHORTEST and abs(a[0] * b[1] - a[1] * b[0]) >= LEAST_SINE * lengths[0] * lengths[1]


def parse_cell(text: str) -> Cell:
    """Read a name, or two vectors as ``(y,x),(y,x)``.

    Raises
    ------
    ValueError
        for anything else.

    Examples
    --------
    >>> parse_cell("(20, 0.2), (0.1, 19.3)")
    ((20.0, 0.2), (0.1, 19.3))
    """
    if text in get_args(CellName):
        return cast("CellName", text)
    found = re.fullmatch(r"\(([^(),]+),([^(),]+)\),\(([^(),]+),([^(),]+)\)", re.sub(r"\s", "", text))
    if found is None:
        raise ValueError(f"no cell: {text}")
    a, b, c, d = (float(number) for number in found.groups())
    return (a, b), (c, d)


def lattice_with_cell(frames: Sequence[NDArray[Any]], cell: Cell) -> Lattice:
    """Find the lattice of frames ``(channels, height, width)`` with the cell that was chosen; see `find_lattice`.

    Raises
    ------
    LatticeError
        if the vectors of `cell` differ by more than 3 % from a period of the frames.
    FrameError
        as `find_lattice`.
    """
    if isinstance(cell, str):
        return find_lattice(frames, cell=cell)
    given = canonical(np.array(cell, dtype=float))
    prepared = prepare_frames(frames)
    if not prepared or prepared[0].shape[1] == 1:
        raise LatticeError("expected images with contrast for a cell of two vectors, got none: leave out the cell")
    channels = [channel for frame in prepared for channel in frame]
    reciprocal = np.linalg.inv(given).T
    reciprocal = refine_reciprocal(channels, reciprocal, ORDERS, phase_tile(reciprocal, prepared[0].shape[1:]))
    vectors = _near(given, np.linalg.inv(reciprocal).T)
    reason = f"lattice of {in_words(reciprocal)}: the cell that was given, {in_words(np.linalg.inv(given).T)}, refined"
    where = lattice_mask(channels, reciprocal, ORDERS)
    return Lattice(vectors, 1.0, "lattice", reason, where)


def known_lattice(frames: Sequence[NDArray[Any]], known: Float64) -> Lattice:
    """Find the lattice of frames with the vectors ``known (k, 2)`` px of a trained model, whichever its cell is.

    Raises
    ------
    LatticeError
        if none of the cells of the frames is that of the model; see `adopt_lattice`.
    """
    found = find_lattice(frames)
    try:
        return adopt_lattice(found, known)
    except LatticeError as error:
        for cell in ("parent", "super") if len(found.vectors) == len(known) else ():
            try:
                return adopt_lattice(find_lattice(frames, cell=cell), known)
            except LatticeError:
                continue
        raise error from None


def _near(given: Float64, found: Float64) -> Float64:
    """The vectors `found`, if they are those `given` within 3 %."""
    off = np.hypot(*(found - given).T) / np.hypot(*given.T)
    if not (off <= SAME).all():
        here, there = (in_words(np.linalg.inv(vectors).T) for vectors in (found, given))
        raise LatticeError(
            f"expected a cell that the frames repeat with, got {there}; the nearest period is {here}, more than 3 % "
            "away: measure the cell again (y comes first), or leave it out"
        )
    return found
