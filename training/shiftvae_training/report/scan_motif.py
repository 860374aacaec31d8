"""The motif of a scan, averaged over its cells, and how it changes with the content: measured, not drawn by the model.

Around the anchor column of every window the scan is sampled on the pixels of a template. Least squares over the content
of the windows give the mean motif, its change for one unit of each latent, and the motif at five steps of each latent:
what the scan shows on average where a latent is high or low, whatever the decoder draws there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from shiftvae_rt.array_types import Float64
from shiftvae_rt.latent_map import LatentMap

__all__ = ["Scan", "ScanMotif", "motif_of_scan"]

#: Largest number of windows that are averaged, and least number for an average.
MOST, LEAST = 4000, 60
#: Steps of a latent: each holds as many windows as the others.
STEPS = 5
#: Blocks along each side of the scan; every second one belongs to the other half.
BLOCKS = 8


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
    offset = np.moveaxis(np.indices(shape), 0, -1).reshape(-1, 2) - anchor
    at = [y[:, None] + offset[:, 0], x[:, None] + offset[:, 1]]
    cells = map_coordinates(scan.frame, [np.zeros_like(at[0]) if line else at[0], at[1]], order=1, mode="nearest")
    content = found.mean[list(used)].reshape(len(used), found.mean[0].size)[:, chosen].astype(float)
    content -= content.mean(axis=1, keepdims=True)
    block = (BLOCKS * y / height).astype(int) + (BLOCKS * x / width).astype(int)
    whole, odd = np.ones(len(chosen), bool), block % 2 == 1
    ends = np.quantile(content, np.arange(1, STEPS) / STEPS, axis=1).T
    step = np.array([np.searchsorted(edges, latent) for edges, latent in zip(ends, content, strict=True)])
    one, two, three = (_fit(cells[part], content[:, part], step[:, part], shape) for part in (whole, odd, ~odd))
    return one, two, three


def _anchors(latent_map: LatentMap) -> Float64:
    """Places ``(n, 2)`` px of the anchor column nearest to each window."""
    y, x = np.meshgrid(latent_map.centre_y_px, latent_map.centre_x_px, indexing="ij")
    down = latent_map["dy"].astype(float) if "dy" in latent_map.names else np.zeros(y.shape)
    return np.stack([y + down, x + latent_map["dx"]], axis=-1).reshape(-1, 2)


def _fit(cells: Float64, content: Float64, step: NDArray[np.intp], shape: tuple[int, ...]) -> ScanMotif:
    """Lines and steps through ``cells (n, pixels)`` over ``content (m, n)``, whose fifths are ``step (m, n)``."""
    count = content.shape[1]
    lines = np.linalg.lstsq(np.vstack([np.ones((1, count)), content]).T, cells, rcond=None)[0].reshape(-1, *shape)
    values, steps = [], []
    for number, latent in enumerate(content):
        inside = (step[number] == np.arange(STEPS)[:, None]).astype(float)
        design = np.vstack([inside, np.delete(content, number, axis=0)]).T
        steps.append(np.linalg.lstsq(design, cells, rcond=None)[0][:STEPS].reshape(STEPS, *shape))
        values.append(inside @ latent / np.maximum(inside.sum(axis=1), 1))
    return ScanMotif(lines[0], lines[1:], np.array(values), np.array(steps))
