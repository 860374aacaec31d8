"""Grains: which of several lattices of one crystal each pixel of a frame belongs to.

A pixel belongs to the lattice whose waves are the strongest around it. Each lattice is refined inside its own grain,
and the pixels are labelled again. Lattices that lie on top of each other, as in a moire, have no grains: an area must
show its own lattice and not the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_cdt, map_coordinates, median_filter

from shiftvae_rt.array_types import Float64

from .find import Lattice
from .local_fourier import LocalFourier, local_fourier

__all__ = ["Grains", "bases_like", "find_grains", "label_frames"]

Labels = NDArray[np.int8]

#: Waves of one half-plane whose power is compared, as orders.
ORDERS = np.array([(h, k) for h in range(3) for k in range(-2, 3) if h > 0 or k > 0])
#: Standard deviation of the Gaussian around a pixel, in periods.
SIGMA = 1.0
#: Neither lattice fits where the amplitude of the stronger one is below this share of that in its best tenth.
PRESENT = 0.4
#: Rounds of refining and labelling; largest number of frames that refine.
ROUNDS, MOST_FRAMES = 4, 4
#: A grain has at least this share of the frames, and room for a square of this many periods.
LEAST_SHARE, LEAST_PERIODS = 0.02, 3.0
#: In its own grain a lattice has at least this many times the power of any other at the median pixel.
OUTSHINES = 1.25
#: Largest stretch or compression of one cell against another of the same crystal: drift of a scan shears both.
MOST_STRETCH = 1.08
#: Two directions of one lattice are grains if they differ by this angle, degrees, and by this many times their spread.
LEAST_TURN, APART = 3.0, 3.0


@dataclass(frozen=True)
class Grains:
    """Lattices of one crystal in several directions, and where each is seen.

    Attributes
    ----------
    cells
        float64 ``(K, 2, 2)``: two lattice vectors (y, x) in px for each grain, largest grain first.
    labels
        Grain of every pixel of each frame, int8 ``(H, W)``; -1 where no lattice fits.
    """

    cells: Float64
    labels: list[Labels]

    @property
    def where(self) -> NDArray[np.bool_]:
        """Pixels ``(H, W)`` that show a lattice in one of the frames."""
        return np.asarray(np.max(self.labels, axis=0) >= 0)

    def in_first(self, lattice: Lattice, frame: int) -> Lattice:
        """Give `lattice` with the vectors of the first grain, and the mask of where `frame` shows it."""
        return replace(lattice, vectors=self.cells[0], where=self.labels[frame] == 0)


def _on_pixels(values: NDArray[Any], step: tuple[int, int], shape: tuple[int, ...]) -> NDArray[Any]:
    """Interpolate ``values (rows, cols)`` on a grid of `step` px linearly to the pixels of a frame of `shape`."""
    places = np.meshgrid(*(np.arange(n) / s for n, s in zip(shape, step, strict=True)), indexing="ij")
    return np.asarray(map_coordinates(values, places, order=1, mode="nearest"))


def label_frames(frames: Sequence[NDArray[Any]], cells: Float64) -> list[Labels]:
    """Label each pixel of ``frames (C, H, W)`` with its lattice among ``cells (K, 2, 2)``; -1 where none fits."""
    nothing = np.full(frames[0].shape[1:], -1, np.int8)
    return [_label(_powers([each], cells)[0]) if each.min() < each.max() else nothing for each in frames]


def find_grains(frames: Sequence[NDArray[Any]], lattice: Lattice) -> tuple[Grains | None, str]:
    """Divide frames into grains of one crystal.

    Parameters
    ----------
    frames
        ``(C, H, W)`` each, of one shape, raw.
    lattice
        Their lattice, with the further ones that the spectrum shows.

    Returns
    -------
    (grains, reason)
        The grains, the largest first; None if all is one grain. And in words why further lattices are no grains, or "".
    """
    if len(lattice.vectors) != 2 or frames[0].shape[1] == 1:
        return None, ""
    some = [frame for frame in frames if frame.min() < frame.max()]
    some = some[:: -(-len(some) // MOST_FRAMES)]
    cells = np.array([lattice.vectors, *lattice.further])
    if len(cells) == 1:
        halves = _two_directions(some, lattice.vectors)
        if halves is None:
            return None, ""
        cells = halves
    for _ in range(ROUNDS):
        labels = label_frames(some, cells)
        cells = np.array([_refined(some, cell, [each == k for each in labels]) for k, cell in enumerate(cells)])
    alike = [k for k in range(len(cells)) if k == 0 or bases_like(cells[0], cells[k])]
    if len(alike) < 2:
        return None, "the second lattice is of another crystal: the model describes the first"
    powers = _powers(frames, cells[alike])
    labels = [_label(power) for power in powers]
    seen = [k for k in range(len(alike)) if _is_grain(powers, labels, k, float(np.hypot(*cells[0].T).max()))]
    if len(seen) < 2:
        return None, "the two lattices are in no separate areas of the frame: the model describes the stronger one"
    share = [float(np.mean([np.mean(each == k) for each in labels])) for k in seen]
    kept = cells[alike][[seen[i] for i in np.argsort(share)[::-1]]]
    return Grains(kept, label_frames(frames, kept)), ""


def _powers(frames: Sequence[NDArray[Any]], cells: Float64) -> list[Float64]:
    """Power ``(K, H, W)`` of the waves of each lattice around every pixel of each frame."""
    sigma = SIGMA * float(np.hypot(*cells[0].T).max())
    found = []
    for frame in frames:
        fields = [_waves(frame, cell, sigma) for cell in cells]
        power = [np.square(np.abs(field.coefficients)).sum(axis=(0, 1)) for field in fields]
        found.append(np.stack([_on_pixels(each, fields[0].step, frame.shape[1:]) for each in power]))
    return found


def _waves(frame: NDArray[Any], cell: Float64, sigma: float) -> LocalFourier:
    return local_fourier(np.asarray(frame, np.float64), ORDERS @ np.linalg.inv(cell).T, sigma)


def _label(power: Float64) -> Labels:
    """Strongest lattice of every pixel from ``power (K, H, W)``."""
    labels = median_filter(power.argmax(axis=0), 5)
    for k, each in enumerate(power):
        mine = labels == k
        if mine.any():
            labels[mine & (each < PRESENT**2 * np.quantile(each[mine], 0.9))] = -1
    return np.asarray(labels, np.int8)


def _refined(frames: Sequence[NDArray[Any]], cell: Float64, masks: list[NDArray[np.bool_]]) -> Float64:
    """Lattice vectors ``(2, 2)`` with which the phases of the waves stay level in the area of each frame's mask."""
    sigma = float(np.hypot(*cell.T).max())
    reciprocal = np.linalg.inv(cell).T
    fields = [_waves(frame, cell, sigma) for frame in frames]
    change = np.zeros((2, 2))
    for axis in (0, 1):
        turns = np.zeros(len(ORDERS), complex)
        for field, mask in zip(fields, masks, strict=True):
            inside = mask[tuple(field.places.astype(int))]
            behind, ahead = _neighbours(field.coefficients, axis)
            both = np.logical_and(*_neighbours(inside, axis))
            turns += (behind.conj() * ahead * both).sum(axis=(0, 2, 3))
        slope, weight = np.angle(turns) / (2 * np.pi * fields[0].step[axis]), np.sqrt(np.abs(turns))
        change[:, axis] = np.linalg.lstsq(ORDERS * weight[:, None], slope * weight, rcond=None)[0]
    return np.asarray(np.linalg.inv((reciprocal + change).T))


def _neighbours(values: NDArray[Any], axis: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Pairs of neighbours of ``values (..., rows, cols)`` along rows (0) or columns (1): behind and ahead."""
    return (values[..., :-1, :], values[..., 1:, :]) if axis == 0 else (values[..., :-1], values[..., 1:])


def _two_directions(frames: Sequence[NDArray[Any]], cell: Float64) -> Float64 | None:
    """Two cells ``(2, 2, 2)`` whose mean the spectrum shows as one: local lattices in two groups, well apart.

    None if the local lattices form one group.
    """
    reciprocal = np.linalg.inv(cell).T
    bases = np.concatenate([_local_bases(frame, cell) for frame in frames])
    along, across = bases @ reciprocal.T, bases @ np.stack([reciprocal[:, 1], -reciprocal[:, 0]])
    turn = np.degrees(np.arctan2(np.trace(across, axis1=1, axis2=2), np.trace(along, axis1=1, axis2=2)))
    middle, ends, upper = float(np.median(turn)), [0.0, 0.0], np.zeros(len(turn), bool)
    for _ in range(20):
        upper = turn > middle
        if upper.all() or not upper.any():
            return None
        ends = [float(np.median(turn[part])) for part in (~upper, upper)]
        middle = sum(ends) / 2
    spread = [
        1.48 * float(np.median(np.abs(turn[part] - end))) for part, end in zip((~upper, upper), ends, strict=True)
    ]
    if ends[1] - ends[0] < max(LEAST_TURN, APART * sum(spread)):
        return None
    return np.array([np.linalg.inv(np.median(bases[part], axis=0).T) for part in (~upper, upper)])


def _local_bases(frame: NDArray[Any], cell: Float64) -> Float64:
    """Reciprocal vectors ``(n, 2, 2)`` of the lattice around points of a coarse grid, by the slopes of its phases."""
    field = _waves(frame, cell, 1.5 * float(np.hypot(*cell.T).max()))
    change = []
    for axis in (0, 1):
        behind, ahead = (
            each[..., :-1] if axis == 0 else each[..., :-1, :] for each in _neighbours(field.coefficients, axis)
        )
        turn = (behind.conj() * ahead).sum(axis=0)
        weight, slope = np.abs(turn), np.angle(turn) / (2 * np.pi * field.step[axis])
        gram = np.einsum("nrc,ni,nj->rcij", weight, ORDERS, ORDERS)
        right = np.einsum("nrc,ni->rci", weight * slope, ORDERS)
        change.append(np.linalg.solve(gram, right[..., None])[..., 0])
    found: Float64 = np.linalg.inv(cell).T + np.stack(change, axis=-1).reshape(-1, 2, 2)
    return found


def bases_like(first: Float64, second: Float64) -> list[Float64]:
    """Bases ``(2, 2)`` of the lattice `second` that are the cell `first` turned, or mirrored, and stretched by 8 %."""
    steps = np.stack(np.meshgrid(*[np.arange(-2, 3)] * 4, indexing="ij"), -1).reshape(-1, 2, 2)
    cells = steps[np.abs(np.linalg.det(steps).round()) == 1] @ second
    stretch = np.linalg.svd(np.linalg.inv(first) @ cells, compute_uv=False)
    return list(cells[np.maximum(stretch[:, 0], 1 / stretch[:, 1]) < MOST_STRETCH])


def _is_grain(powers: list[Float64], labels: list[Labels], k: int, period: float) -> bool:
    """Tell whether lattice `k` has an area of its own."""
    mine = [each == k for each in labels]
    if np.mean([mask.mean() for mask in mine]) < LEAST_SHARE:
        return False
    room = max(int(distance_transform_cdt(np.pad(mask, 1), "chessboard").max()) for mask in mine)
    if 2 * room < LEAST_PERIODS * period:
        return False
    ratio = [
        power[k][mask] / np.delete(power, k, axis=0).max(axis=0)[mask] for power, mask in zip(powers, mine, strict=True)
    ]
    return bool(np.median(np.concatenate(ratio)) > OUTSHINES)
