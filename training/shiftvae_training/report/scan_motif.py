"""The motif of a scan, averaged over its cells, and how it changes with the content: measured, not drawn by the model.

Around the anchor column of every window the scan is sampled on the pixels of a template. Least squares over the content
of the windows give the mean motif, its change for one unit of each latent, and the motif at five steps of each latent:
what the scan shows on average where a latent is high or low, whatever the decoder draws there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shiftvae_rt.array_types import Float64
from shiftvae_rt.latent_map import LatentMap

__all__ = ["Scan", "ScanMotif", "motif_of_scan"]

#: Largest number of windows that are averaged, and least number for an average.
MOST, LEAST = 4000, 60
#: Steps of a latent: each holds as many windows as the others.
STEPS = 5
#: Blocks along each side of the scan; every second one belongs to the other half.
BLOCKS = 8
#: Number of cells that are cut at once: they fit into the cache of a processor.
AT_ONCE = 64


@dataclass(frozen=True)
class Scan:
    """A scan whose motif is measured.

    Attributes
    ----------
    frame
        ``(H, W)``.
    latent_map
        Its map, in which no motif turns or grows.
    where
        ``(H, W)`` where the lattice is; None for everywhere.
    """

    frame: Float64
    latent_map: LatentMap
    where: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class ScanMotif:
    """The motif of a scan and how it changes with the content of m latents.

    Attributes
    ----------
    mean
        ``(h, w)`` motif at mean content.
    slopes
        ``(m, h, w)`` its change for one unit of each latent, as a straight line.
    values, steps
        ``(m, 5)`` mean of each latent over a fifth of the windows, and the motif ``(m, 5, h, w)`` there, with the other
        latents at their mean.
    """

    mean: Float64
    slopes: Float64
    values: Float64
    steps: Float64


def motif_of_scan(
    scan: Scan, needed: Float64, shape: tuple[int, ...], *, anchor: Float64, used: tuple[int, ...]
) -> tuple[ScanMotif, ScanMotif, ScanMotif] | None:
    """Average the cells of a scan.

    Parameters
    ----------
    scan
        The scan and its map.
    needed
        Places ``(n, 2)`` in the motif that must lie within the frame, pixel indices (y, x); what is further out is
        continued from the edge of the frame in cells near it.
    shape
        Height and width of the motif, px.
    anchor
        Place ``(2,)`` of the anchor column in the motif, pixel indices (y, x).
    used
        Indices in the map of the content latents that the motif depends on.

    Returns
    -------
    tuple of ScanMotif, or None
        Of all cells, and of two halves, whose difference tells the error; None without `used`, and for a scan of few
        cells.
    """
    found, places = scan.latent_map, _anchors(scan.latent_map)
    (height, width), line = scan.frame.shape, scan.frame.shape[0] == 1
    low = np.ceil((anchor - needed).max(axis=0))
    high = np.array([height, width]) - 1 - np.ceil((needed - anchor).max(axis=0))
    inside = (places[:, 1] >= low[1]) & (places[:, 1] <= high[1])
    if not line:
        inside &= (places[:, 0] >= low[0]) & (places[:, 0] <= high[0])
    if scan.where is not None:
        pixel = np.rint(places).astype(int).clip(0, [height - 1, width - 1])
        inside &= scan.where[pixel[:, 0], pixel[:, 1]]
    chosen = np.flatnonzero(inside)
    chosen = chosen[:: -(-len(chosen) // MOST)] if len(chosen) else chosen
    if not used or len(chosen) < LEAST * (1 + len(used)):
        return None
    y, x = (places[chosen, axis] for axis in (0, 1))
    top, left = np.zeros_like(y) if line else y - anchor[0], x - anchor[1]
    content = found.mean[list(used)].reshape(len(used), found.mean[0].size)[:, chosen].astype(float)
    content -= content.mean(axis=1, keepdims=True)
    block = (BLOCKS * y / height).astype(int) + (BLOCKS * x / width).astype(int)
    odd = block % 2 == 1
    ends = np.quantile(content, np.arange(1, STEPS) / STEPS, axis=1).T
    step = np.array([np.searchsorted(edges, latent) for edges, latent in zip(ends, content, strict=True)])
    columns = _columns(content, step)
    halves = [_Sums.over(scan.frame, top[half], left[half], shape, columns[:, half]) for half in (odd, ~odd)]
    one, two, three = (_fit(sums, shape) for sums in (halves[0] + halves[1], *halves))
    return one, two, three


def _anchors(latent_map: LatentMap) -> Float64:
    """Places ``(n, 2)`` px of the anchor column nearest to each window."""
    y, x = np.meshgrid(latent_map.centre_y_px, latent_map.centre_x_px, indexing="ij")
    down = latent_map["dy"].astype(float) if "dy" in latent_map.names else np.zeros(y.shape)
    return np.stack([y + down, x + latent_map["dx"]], axis=-1).reshape(-1, 2)


def _cut(frame: Float64, top: Float64, left: Float64, shape: tuple[int, ...]) -> Float64:
    """Cells ``(n, pixels)`` of ``shape (h, w)`` from ``frame (H, W)``, linear between pixels, from corners ``(n,)``.

    All pixels of a cell lie alike between those of the frame, which is continued beyond its edge by its last pixels.
    """
    corner = np.floor(top).astype(int), np.floor(left).astype(int)
    part = (top - corner[0])[:, None, None], (left - corner[1])[:, None, None]
    rows, cols = (
        (first[:, None] + np.arange(n + 1)).clip(0, size - 1)
        for first, n, size in zip(corner, shape, frame.shape, strict=True)
    )
    pixels = frame[rows[:, :, None], cols[:, None, :]]
    pixels = pixels[:, :-1] + part[0] * (pixels[:, 1:] - pixels[:, :-1])
    pixels = pixels[:, :, :-1] + part[1] * (pixels[:, :, 1:] - pixels[:, :, :-1])
    return np.asarray(pixels.reshape(len(top), -1))


def _columns(content: Float64, step: NDArray[np.intp]) -> Float64:
    """Columns ``(1 + 6 m, n)`` of the fits: 1, the content ``(m, n)``, and whether ``step (m, n)`` is each of five."""
    inside = (step[:, None] == np.arange(STEPS)[:, None]).astype(float).reshape(-1, content.shape[1])
    return np.vstack([np.ones((1, content.shape[1])), content, inside])


@dataclass(frozen=True)
class _Sums:
    """Sums over cells that every least-squares fit needs: of products of columns, and of columns with the pixels."""

    products: Float64
    pixels: Float64

    @classmethod
    def over(cls, frame: Float64, top: Float64, left: Float64, shape: tuple[int, ...], columns: Float64) -> _Sums:
        """Sums over the cells of `_cut` at corners ``(n,)``, with ``columns (k, n)``; a few cells at a time."""
        pixels = np.zeros((len(columns), shape[0] * shape[1]))
        for first in range(0, len(top), AT_ONCE):
            part = slice(first, first + AT_ONCE)
            pixels += columns[:, part] @ _cut(frame, top[part], left[part], shape)
        return cls(columns @ columns.T, pixels)

    def __add__(self, other: _Sums) -> _Sums:
        return _Sums(self.products + other.products, self.pixels + other.pixels)

    def solve(self, columns: list[int]) -> Float64:
        """Least squares of the pixels over some of the columns ``(k, pixels)``; the shortest of several answers."""
        inverse = np.linalg.pinv(self.products[np.ix_(columns, columns)], hermitian=True)
        return np.asarray(inverse @ self.pixels[columns])


def _fit(sums: _Sums, shape: tuple[int, ...]) -> ScanMotif:
    """Lines and steps through the cells of the sums, over `_columns`."""
    latents = len(sums.products) // (1 + STEPS)
    contents = range(1, 1 + latents)
    lines = sums.solve([0, *contents]).reshape(-1, *shape)
    values, steps = [], []
    for number in contents:
        first = 1 + latents + STEPS * (number - 1)
        inside = list(range(first, first + STEPS))
        others = [other for other in contents if other != number]
        steps.append(sums.solve([*inside, *others])[:STEPS].reshape(STEPS, *shape))
        values.append(sums.products[inside, number] / np.maximum(sums.products[inside, 0], 1))
    return ScanMotif(lines[0], lines[1:], np.array(values), np.array(steps))
