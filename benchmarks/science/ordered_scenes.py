"""Simulated scans of ordered samples whose order and displacement are known everywhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from shiftvae_rt.simulator import add_columns

__all__ = ["SCENES", "OrderedScan", "everywhere"]

#: Half width of the walls between domains, and of layers, px.
WALL = 12.0


@dataclass(frozen=True)
class OrderedScan:
    """A scan and its truth on its pixels.

    Attributes
    ----------
    pixels
        ``(H, W)`` counts.
    order
        Degree of order of the variant whose superlattice vector is ``vectors[i]``, ``(i, H, W)``, 0 to 1.
    domain
        1 or -1 for the two antiphase domains, ``(i, H, W)``.
    vectors
        Superlattice vectors in reciprocal vectors of the parent cell, along y and x.
    displacement
        Displacement of B against A along y, px, ``(H, W)``; None where it is 0.
    """

    pixels: np.ndarray
    order: np.ndarray
    domain: np.ndarray
    vectors: tuple[tuple[float, float], ...] = ()
    displacement: np.ndarray | None = None


def two_variants(seed: int, *, side: int = 448, cell: float = 18.0) -> OrderedScan:
    """A cell doubled along y in one domain, with an antiphase wall, and along x in another; disordered between them."""
    y, x = np.mgrid[:side, :side].astype(float)
    slant = 0.15 * (y - side / 2)
    order = np.stack([_step(0.42 * side - x + slant), _step(x - 0.60 * side - slant)])
    domain = np.stack([np.where(y + 0.3 * x > 0.62 * side, -1.0, 1.0), np.ones((side, side))])
    return _ordered(seed, (cell, cell), order, domain)


def everywhere(seed: int, *, side: int = 448, cell: float = 18.0) -> OrderedScan:
    """A cell doubled along y all over, by a strength that varies from 0.2 to 1, with an antiphase wall."""
    y, x = np.mgrid[:side, :side].astype(float)
    order = 0.6 + 0.4 * np.sin(2 * np.pi * x / side)
    return _ordered(seed, (cell, cell), order[None], np.where(y + 0.3 * x > 0.62 * side, -1.0, 1.0)[None])


def layered(seed: int, *, side: int = 512) -> OrderedScan:
    """Twin of LLTO: A planes that are rich and poor in turn, along y or x, in domains with antiphase walls."""
    y, x = np.mgrid[:side, :side].astype(float)
    first = _step(60 * np.sin(2 * np.pi * y / 330 + 0.6) + 0.52 * side - x)
    order = np.stack([first, 1 - first])
    domain = np.stack([np.where(y - 0.2 * x > 0.45 * side, -1.0, 1.0), np.where(y + x > 1.15 * side, -1.0, 1.0)])
    return _ordered(seed, (9.95, 9.65), order, domain, sigma=1.7)


def _ordered(
    seed: int, cell: tuple[float, float], order: np.ndarray, domain: np.ndarray, *, sigma: float = 2.3
) -> OrderedScan:
    """A columns of height 1, by up to a quarter brighter or dimmer where there is order, and B columns of 0.4."""
    rng, side, amplitude = np.random.default_rng(seed), order.shape[1], 0.25
    counted, columns = _columns(rng, cell, side)
    at = tuple(np.rint(columns).astype(int).clip(0, side - 1).T)
    signs = (-1.0) ** counted.T
    heights = 1 + amplitude * sum(o[at] * d[at] * s for o, d, s in zip(order, domain, signs, strict=False))
    image = np.full((side, side), 0.15)
    y, x = np.mgrid[:side, :side].astype(float)
    add_columns(image, y, x, columns, heights, sigma)
    add_columns(image, y, x, columns + np.array(cell) / 2, 0.4, 0.87 * sigma)
    vectors = ((0.5, 0.0), (0.0, 0.5))[: len(order)]
    return OrderedScan(rng.poisson(100 / 1.15 * image).astype(np.uint16), order, domain, vectors)


def polar_layers(seed: int, *, side: int = 512, cell: float = 24.4) -> OrderedScan:
    """Twin of PTO/SRO: B is displaced either way in polar layers, where A and B differ; in others they look alike.

    The displacement is 0.5 px rms in the polar layers, 8 pm at 16 pm a px.
    """
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side].astype(float)
    polar = _step(110 - np.abs(y - 0.27 * side)) + _step(110 - np.abs(y - 0.80 * side))
    displacement = 0.62 * polar * np.tanh(np.sin(2 * np.pi * (x + 0.3 * y) / 190) / 0.4)
    _, columns = _columns(rng, (cell, cell), side)
    image = np.full((side, side), 0.15)
    for offset, height, alike, moves in ((0.0, 1.0, 0.74, 0.0), (cell / 2, 0.5, 0.70, 1.0)):
        places = columns + offset
        at = tuple(np.rint(places).astype(int).clip(0, side - 1).T)
        heights = alike + (height - alike) * polar[at]
        places[:, 0] += moves * displacement[at]
        add_columns(image, y, x, places, heights, 3.0)
    none = np.zeros((0, side, side))
    return OrderedScan(rng.poisson(100 / 1.15 * image).astype(np.uint16), none, none, displacement=displacement)


def _columns(rng: np.random.Generator, cell: tuple[float, float], side: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the cells ``(n, 2)`` around a frame, and the positions of their A columns, px, at a random origin."""
    numbers = np.arange(-2, int(side / min(cell)) + 3)
    counted = np.stack(np.meshgrid(numbers, numbers, indexing="ij"), -1).reshape(-1, 2)
    return counted, (counted + rng.uniform(0, 1, 2)) * cell


def _step(distance: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(distance / WALL))


#: Name -> scan of a seed.
SCENES: dict[str, Callable[[int], OrderedScan]] = {
    "two variants, antiphase wall": two_variants,
    "strength varies everywhere, antiphase wall": everywhere,
    "twin of LLTO": layered,
    "twin of PTO/SRO": polar_layers,
}
