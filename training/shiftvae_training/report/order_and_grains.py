"""Grains and the order of superlattices in sentences of the first screen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import minimum_filter

from shiftvae_rt.array_types import Float64
from shiftvae_rt.fields import Fields, turn_in_words
from shiftvae_rt.latent_map import LatentMap
from shiftvae_rt.model.manifest import Grain
from shiftvae_rt.pictures.captions import DRAWN_DEG

__all__ = ["grains_in_words", "inside_grains", "order_in_words", "order_names"]

#: Degree of order from which on a window counts for the antiphase domains; least share of these windows that makes a
#: domain; least concentration of their phases, 0 to 1.
ORDERED, SHARE, SHARP = 0.5, 0.03, 0.5
TIMES = {2: "doubled", 3: "tripled"}
COUNTS = {2: "two", 3: "three", 4: "four", 5: "five"}


def grains_in_words(grains: Sequence[Grain]) -> str:
    """Say how the grains of a scan lie to each other, in one sentence; "" for a single one."""
    said = []
    for number, grain in enumerate(grains):
        share = f"{100 * grain.share:.0f} % of the scan"
        if not number:
            said.append(f"grain 0 is {share}")
            continue
        how = turn_in_words(grain.turn_deg, mirrored=grain.mirrored)
        said.append(f"grain {number} ({share}) is {how} against grain 0")
    return f"It lies in {COUNTS.get(len(said), len(said))} grains: {'; '.join(said)}." if said else ""


def inside_grains(latent_map: LatentMap, vectors: Float64) -> NDArray[np.bool_]:
    """Mask ``(rows, cols)`` of the windows whose average over a period has windows of their own grain alone."""
    grain, grid = latent_map.grain, latent_map.grid
    if grain is None:
        return np.ones(latent_map.mean.shape[1:], bool)
    reach = math.ceil((max(grid.window) / 2 + float(np.hypot(*vectors.T).max())) / grid.stride)
    same = minimum_filter(grain, 2 * reach + 1) == -minimum_filter(-grain, 2 * reach + 1)
    inside: NDArray[np.bool_] = same & (grain >= 0)
    return inside


def order_names(fields: Fields | None) -> list[str]:
    """Names of the fields that give a degree of order."""
    return [] if fields is None else [name for name in fields.names if name.startswith("order")]


def order_in_words(
    fields: Fields | None,
    superlattice: Sequence[tuple[float, float]],
    vectors: Float64,
    pixel_size_nm: tuple[float, float] | None,
) -> list[str]:
    """Say in a sentence for each superlattice vector how far the order goes, and in which antiphase domains it comes.

    Parameters
    ----------
    fields
        Fields of a scan.
    superlattice
        Superlattice vectors, in reciprocal vectors of the lattice.
    vectors
        ``(2, 2)`` lattice vectors (y, x), px.
    pixel_size_nm
        Edges ``(y, x)`` of a pixel, nm, if known.
    """
    if fields is None:
        return []
    said = []
    for name, wave in zip(order_names(fields), superlattice, strict=True):
        index = fields.names.index(name)
        low, high = np.nanquantile(fields.mean[index], (0.025, 0.975))
        text = f"{name}: {_cell_in_words(wave, vectors, pixel_size_nm)}; its degree of order goes from "
        text += f"{max(0.0, low):.2f} to {high:.2f} (95 % of the windows; 1 is well ordered)"
        ordered = (fields.std[index + 1] < DRAWN_DEG) & (fields.mean[index] > ORDERED)
        shares = _domains(fields.mean[index + 1][ordered], _fold(wave))
        if len(shares) > 1:
            parts = " and ".join(f"{100 * share:.0f} %" for share in shares)
            text += (
                f"; {COUNTS.get(len(shares), len(shares))} antiphase domains, {parts} of where it is above {ORDERED}"
            )
        elif len(shares) == 1:
            text += "; one antiphase domain"
        said.append(f"{text}.")
    return said


def _fold(wave: tuple[float, float]) -> int:
    """Factor by which the cell is larger."""
    return math.lcm(*(Fraction(part).limit_denominator(6).denominator for part in wave))


def _cell_in_words(wave: tuple[float, float], vectors: Float64, edges: tuple[float, float] | None) -> str:
    fold, along = _fold(wave), [axis for axis, part in enumerate(wave) if abs(part) > 1e-6]
    times = TIMES.get(fold, f"{fold} times as long")
    if len(along) > 1:
        return f"a superlattice with the wave vector ({', '.join(str(Fraction(p).limit_denominator(6)) for p in wave)})"
    y, x = vectors[along[0]]
    length = float(np.hypot(*(vectors[along[0]] * (edges or (1.0, 1.0)))))
    angle = round(float(np.degrees(np.arctan2(-y, x)))) % 180
    unit = "px" if edges is None else "nm"
    return f"the lattice vector of {length:.3g} {unit} at {angle} degrees to the scan lines is {times} by order"


def _domains(phases_deg: NDArray[np.float32], fold: int) -> list[float]:
    """Shares of the antiphase domains, the largest first; empty where phases do not gather in steps of a circle."""
    if not phases_deg.size or fold < 2:
        return []
    phases = np.radians(phases_deg.astype(float))
    together = np.exp(1j * fold * phases).mean()
    if abs(together) < SHARP:
        return []
    steps = np.rint((phases - np.angle(together) / fold) * fold / (2 * np.pi)).astype(int) % fold
    shares = np.sort(np.bincount(steps, minlength=fold) / len(steps))[::-1]
    return [float(share) for share in shares if share >= SHARE]
