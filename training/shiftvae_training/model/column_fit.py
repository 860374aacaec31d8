"""Atomic columns in images: prominent maxima, and least-squares Gaussians fitted to many of them at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shiftvae_rt.array_types import Float64

from .prominence import fine_noise, prominent_maxima

__all__ = ["Columns", "columns_of_cell", "find_columns", "fit_columns"]


#: A maximum is a column when its prominence is this share of the image's range, and this many times its noise.
PROMINENT, ABOVE_NOISE = 0.02, 3.0
#: Number of Gauss-Newton steps, and the largest move of a centre in one step, px.
STEPS, LARGEST_MOVE = 12, 1.0
#: Moves of all centres and widths, px, after which the next step would change nothing that can be seen.
SETTLED = 1e-4
#: Columns closer together than this, px, are the same column; columns closer than this to the edge are left out.
SAME, EDGE = 2.5, 3.0
#: Largest number of columns of a cell that are followed.
MOST_COLUMNS = 8
#: Columns up to this many times the shortest distance away are neighbours.
NEIGHBOURS = 1.6


@dataclass(frozen=True)
class Columns:
    """Fitted columns: ``centre (..., 2)`` as y, x in px, ``height (...)``, ``width (...)`` as sd in px.

    NaN where a fit diverged from its start.
    """

    centre: Float64
    height: Float64
    width: Float64

    def first(self, count: int) -> Columns:
        """First `count` of the columns ``(..., k)``."""
        return Columns(self.centre[..., :count, :], self.height[..., :count], self.width[..., :count])

    def of_image(self, index: int) -> Columns:
        """Columns ``(k,)`` of one image, of columns ``(n, k)``."""
        return Columns(self.centre[index], self.height[index], self.width[index])


def find_columns(image: Float64) -> NDArray[np.intp]:
    """Prominent maxima of ``image (H, W)`` smoothed over 3 px, ``(n, 2)`` row and column, brightest first.

    A line (H = 1) is smoothed and searched along x alone. Maxima on the edge are left out.
    """
    size = (min(3, image.shape[0]), 3)
    padded = np.pad(image, [(n // 2, n // 2) for n in size], mode="edge")
    smooth = np.lib.stride_tricks.sliding_window_view(padded, size).mean(axis=(-1, -2))
    return prominent_maxima(smooth, max(PROMINENT * float(np.ptp(smooth)), ABOVE_NOISE * fine_noise(image)))


def columns_of_cell(
    image: Float64, anchor: Float64 | None, wrap: Callable[[Float64], Float64]
) -> tuple[Float64, int, float]:
    """Columns in `image`: one of each kind, then their neighbours; and the radius for fitting them.

    Parameters
    ----------
    image
        ``(H, W)``, a little larger than a cell.
    anchor
        Pixel index (y, x) near the column that comes first; None takes the brightest, among equals the one nearest the
        middle.
    wrap
        Brings a vector (y, x) px into the cell around 0: columns that differ by a lattice vector are of one kind.

    Returns
    -------
    (places, kinds, radius)
        Pixel indices ``(n, 2)``; the first `kinds` of them are one of each kind, by their distance from the first; and
        the radius in px.
    """
    found = find_columns(image).astype(float)
    for axis in (0, 1):
        if image.shape[axis] > 1:
            found = found[(found[:, axis] >= EDGE) & (found[:, axis] <= image.shape[axis] - 1 - EDGE)]
    if not len(found):
        middle = (np.array(image.shape) - 1) / 2 if anchor is None else anchor
        return middle[None], 1, EDGE
    if anchor is None:
        heights = image[tuple(found.astype(int).T)]
        middle = (np.array(image.shape) - 1) / 2
        bright = found[heights >= heights.max() - 0.05 * float(np.ptp(image))]
        first = bright[np.argmin(np.hypot(*(bright - middle).T))]
    else:
        first = found[np.argmin(np.hypot(*(found - anchor).T))]
    others = found[np.argsort(np.hypot(*(found - first).T), kind="stable")]
    kinds: list[Float64] = []
    rest: list[Float64] = []
    for place in others:
        new = len(kinds) < MOST_COLUMNS and all(np.hypot(*wrap(place - k)) > SAME for k in kinds)
        (kinds if new else rest).append(place)
    gaps = np.hypot(*(others[:, None] - others[None]).transpose(2, 0, 1))
    nearest_gap = float(gaps[gaps > 0].min()) if len(others) > 1 else 8.0
    near = [p for p in rest if min(np.hypot(*(p - k)) for k in kinds) < NEIGHBOURS * nearest_gap]
    return np.array([*kinds, *near]), len(kinds), float(np.clip(0.5 * nearest_gap, 2.0, 12.0))


def fit_columns(images: Float64, starts: Float64, radius: float, *, sloping: bool = False, rounds: int = 1) -> Columns:
    """Fit an isotropic Gaussian on a background to each column, by unweighted least squares.

    Parameters
    ----------
    images
        ``(n, H, W)``; H = 1 for lines.
    starts
        ``(n, k, 2)`` or ``(k, 2)``: approximate positions of the columns, pixel indices y, x.
    radius
        Radius of the fitted disc around a start, px.
    sloping
        Whether the background may slope, which costs precision in noise.
    rounds
        Number of rounds; from the second on, the Gaussians of the other columns are subtracted first, so that
        neighbours do not bias a fit.

    Returns
    -------
    Columns
        Columns ``(n, k)``.
    """
    count, height, width = images.shape
    starts = np.broadcast_to(np.asarray(starts, float), (count, *np.shape(starts)[-2:]))
    k = starts.shape[1]
    reach = int(np.ceil(radius)) + 1
    dy, dx = np.mgrid[-reach : reach + 1, -reach : reach + 1] if height > 1 else np.mgrid[0:1, -reach : reach + 1]
    disk = np.hypot(dy, dx) <= radius + 0.5
    whole = np.rint(starts).astype(int)
    rows, cols = whole[..., :1] + dy[disk], whole[..., 1:] + dx[disk]
    weight = ((rows >= 0) & (rows < height) & (cols >= 0) & (cols < width)).astype(float).reshape(count * k, -1)
    values = images[np.arange(count)[:, None, None], rows.clip(0, height - 1), cols.clip(0, width - 1)]
    y, x = (a.reshape(count * k, -1) - starts[..., i].reshape(-1, 1) for i, a in enumerate((rows, cols)))

    def fit(others: Float64 | float) -> Columns:
        left = (values - others).reshape(count * k, -1)
        fitted = _gauss_newton(left, y, x, weight, radius, line=height == 1, sloping=sloping).reshape(count, k, 4)
        return Columns(fitted[..., :2] + starts, fitted[..., 2], fitted[..., 3])

    found = fit(0.0)
    for _ in range(rounds - 1):
        found = fit(_others(found, rows, cols))
    return found


def _others(columns: Columns, rows: NDArray[np.intp], cols: NDArray[np.intp]) -> Float64:
    """Sum of all other Gaussians at the pixels of each column, ``(n, k, pixels)``; failed fits add nothing."""
    total = np.zeros(rows.shape)
    for j in range(rows.shape[1]):
        (cy, cx), width, height = columns.centre[:, j].T, columns.width[:, j], columns.height[:, j]
        y, x = rows - cy[:, None, None], cols - cx[:, None, None]
        bell = height[:, None, None] * np.exp(-0.5 * (y**2 + x**2) / width[:, None, None] ** 2)
        bell[:, j] = 0
        total += np.nan_to_num(bell)
    return total


def _gauss_newton(
    values: Float64, y: Float64, x: Float64, weight: Float64, radius: float, *, line: bool, sloping: bool
) -> Float64:
    """Centre y and x, height and width ``(n, 4)`` for each of ``values (n, pixels)``; the background is fitted too."""
    n, values = len(values), values * weight
    cy, cx, width = np.zeros(n), np.zeros(n), np.full(n, radius / 2)
    flat = [np.ones_like(x)]
    if sloping:
        flat += [x] if line else [x, y]

    def linear_part() -> tuple[Float64, Float64]:
        """Bells ``(n, pixels)`` of the columns as they are, and the columns of the design for height and background."""
        square = (y - cy[:, None]) ** 2 + (x - cx[:, None]) ** 2
        bell = np.exp(-0.5 * square / width[:, None] ** 2)
        return bell, np.stack([bell, *flat], axis=-1) * weight[..., None]

    height = _solve(linear_part()[1], values)[:, 0]
    for _ in range(STEPS):
        (bell, linear), u, v = linear_part(), y - cy[:, None], x - cx[:, None]
        slope = height[:, None] * bell / width[:, None] ** 2
        moves = [slope * v, slope * (u**2 + v**2) / width[:, None]] + ([] if line else [slope * u])
        design = np.concatenate([linear, np.stack(moves, axis=-1) * weight[..., None]], axis=-1)
        rest = values - height[:, None] * bell * weight
        found = _solve(design, rest)
        move = found[:, len(flat) + 1 :].clip(-LARGEST_MOVE, LARGEST_MOVE)
        height = height + found[:, 0]
        cx, width = cx + move[:, 0], (width + move[:, 1]).clip(0.3, radius)
        cy = cy if line else cy + move[:, 2]
        if not (np.abs(move) > SETTLED).any():
            break
    height = _solve(linear_part()[1], values)[:, 0]
    result = np.stack([cy, cx, height, width], axis=1)
    lost = (np.hypot(cy, cx) > radius) | (height <= 0) | ~np.isfinite(result).all(axis=1)
    result[lost] = np.nan
    return result


def _solve(design: Float64, values: Float64) -> Float64:
    """Least squares for each of ``design (n, pixels, p)``, ``values (n, pixels)``; slightly damped, never singular."""
    across = design.transpose(0, 2, 1)
    normal = across @ design
    normal += 1e-9 * np.trace(normal, axis1=1, axis2=2)[:, None, None] * np.eye(design.shape[-1])
    return np.asarray(np.linalg.solve(normal, across @ values[..., None])[..., 0])
