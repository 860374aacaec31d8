"""Correlation of the content latents with nuisances: brightness, contrast, scan direction, focus.

A latent that follows the local mean may show thickness and not polarisation; one that follows the scan row may show
drift. The table gives the correlation, and how often it would arise by chance: smooth maps correlate easily.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from shiftvae_rt.array_types import Float64
from shiftvae_rt.kernels.windows import window_statistics
from shiftvae_rt.latent_map import LatentMap
from shiftvae_rt.pictures.captions import latent_kind

__all__ = ["Cause", "Confound", "Nuisances", "find_confounds", "nuisance_maps"]


#: Correlations of at least this size are a reason to check, and those of two nuisances make them one cause.
NOTABLE = 0.5
#: A cause mentions chance when more than this share of the displaced maps correlates as strongly.
CHANCE = 0.05
#: A displaced map correlates as strongly when it reaches this share of the correlation.
ALIKE = 0.95
#: A map that varies by less than this share of its values is constant.
FLAT = 1e-9
#: What a latent does that correlates with a nuisance, and what may cause it.
WORDS = {
    "local mean": ("follows", "the brightness", ("thickness", "contamination", "background")),
    "local contrast": ("follows", "the contrast", ("thickness", "tilt", "focus")),
    "scan row": ("changes", "from the first line to the last", ("drift", "a slow change of the instrument")),
    "scan column": ("changes", "along the lines", ("flyback", "a wedge-shaped specimen")),
    "focus": ("follows", "the sharpness", ("focus", "tilt")),
}


@dataclass(frozen=True)
class Confound:
    """Correlation of one latent with one nuisance.

    Attributes
    ----------
    latent, nuisance
        Name of each.
    correlation
        Pearson's r, -1..1, of the maps averaged over a period.
    chance
        Share of all displacements of one map against the other (around the edges) that correlate as strongly.
    """

    latent: str
    nuisance: str
    correlation: float
    chance: float

    @property
    def notable(self) -> bool:
        """True for a correlation that gives a reason to check."""
        return abs(self.correlation) >= NOTABLE


@dataclass(frozen=True)
class Cause:
    """Nuisances that one latent follows and that change together in this scan: one reason to check, not several.

    Attributes
    ----------
    latent
        Name of the latent.
    confounds
        Its notable correlations, strongest first.
    """

    latent: str
    confounds: tuple[Confound, ...]

    @property
    def seen(self) -> str:
        """Correlations in one sentence without a full stop."""
        does: dict[str, list[str]] = {}
        for c in self.confounds:
            verb, what, _ = WORDS[c.nuisance]
            does.setdefault(verb, []).append(f"{what} (r = {c.correlation:+.2f})")
        seen = [f"{verb} {_and(what)}" for verb, what in does.items()]
        return f"{self.latent} {_and(seen)}{', which change together in this scan' if len(self.confounds) > 1 else ''}"

    @property
    def words(self) -> str:
        """Correlations and what may cause them, in one sentence without a full stop."""
        causes = list(dict.fromkeys(cause for c in self.confounds for cause in WORDS[c.nuisance][2]))
        text = f"{self.seen}: possible causes are {_and(causes, 'or')}"
        chance = min(c.chance for c in self.confounds)
        if chance > CHANCE:
            text += f"; {100 * chance:.0f} % of displaced maps match as well by chance"
        return text


@dataclass(frozen=True)
class Nuisances:
    """Correlations of the content with nuisances, and of the nuisances with each other.

    Attributes
    ----------
    confounds
        One for each latent that varies and each nuisance.
    between
        Pearson's r of two nuisances, by their names.
    """

    confounds: list[Confound]
    between: Mapping[frozenset[str], float]

    @property
    def causes(self) -> list[Cause]:
        """Notable correlations grouped by latent, and there by nuisances that change together."""
        found = []
        for latent in dict.fromkeys(c.latent for c in self.confounds):
            left = sorted(
                (c for c in self.confounds if c.latent == latent and c.notable), key=lambda c: -abs(c.correlation)
            )
            while left:
                group = [left.pop(0)]
                group += [c for c in left if abs(self.between[frozenset({c.nuisance, group[0].nuisance})]) >= NOTABLE]
                left = [c for c in left if c not in group]
                found.append(Cause(latent, tuple(group)))
        return found


def _and(words: Sequence[str], last: str = "and") -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"


def find_confounds(latent_map: LatentMap, frame: NDArray[Any], *, period_px: float) -> Nuisances:
    """Correlate the content latents that vary with the nuisances of the raw ``frame (C, H, W)``.

    Latent map and nuisances are smoothed over one period first, so that the motif itself does not contribute.
    """
    grid = latent_map.grid
    sigma = 0.5 * period_px / grid.stride
    smooth = {name: _smooth(values, sigma) for name, values in nuisance_maps(frame, latent_map).items()}
    found = []
    for index, name in enumerate(latent_map.names):
        if latent_kind(name) != "content" or latent_map.units[index] or not latent_map.varies[index]:
            continue
        values = _smooth(latent_map.mean[index].astype(float), sigma)
        for nuisance, other in smooth.items():
            found.append(Confound(name, nuisance, *_correlate(values, other)))
    between = {frozenset(pair): _correlate(smooth[pair[0]], smooth[pair[1]])[0] for pair in combinations(smooth, 2)}
    return Nuisances(found, between)


def nuisance_maps(frame: NDArray[Any], latent_map: LatentMap) -> dict[str, Float64]:
    """Nuisance maps ``(rows, cols)`` by name, at the windows of `latent_map`, averaged over the channels."""
    grid = latent_map.grid
    mean, sd = (a.mean(axis=0).astype(float) for a in window_statistics(frame, grid.window, grid.stride))
    fine = np.stack([_fine_detail(channel.astype(float)) for channel in frame]).astype(np.float32)
    detail = window_statistics(fine, grid.window, grid.stride)[1].mean(axis=0).astype(float)
    y, x = latent_map.centre_y_px, latent_map.centre_x_px
    maps = {"local mean": mean, "local contrast": sd}
    if len(y) > 1:
        maps["scan row"] = np.repeat(y[:, None], len(x), axis=1)
    maps["scan column"] = np.repeat(x[None], len(y), axis=0)
    maps["focus"] = detail / np.where(sd > 0, sd, 1)
    return maps


def _fine_detail(channel: Float64) -> Float64:
    """Difference of Gaussians of 1 and 2 px: the finest detail that is not mostly noise."""
    sigma = (0.0 if channel.shape[0] == 1 else 1.0, 1.0)
    return np.asarray(gaussian_filter(channel, sigma) - gaussian_filter(channel, [2 * s for s in sigma]))


def _smooth(values: Float64, sigma: float) -> Float64:
    return np.asarray(gaussian_filter(values, [min(sigma, n / 4) if n > 1 else 0.0 for n in values.shape]))


def _correlate(one: Float64, other: Float64) -> tuple[float, float]:
    """Pearson's r, and the share of displacements around the edges with an |r| at least as large."""
    if any(np.ptp(values) <= FLAT * np.abs(values).max() for values in (one, other)):
        return 0.0, 1.0
    one, other = ((values - values.mean()) / values.std() for values in (one, other))
    scale = one.size
    moved = np.fft.irfft2(np.fft.rfft2(one) * np.conj(np.fft.rfft2(other)), s=one.shape) / scale
    r = float(np.clip(moved[0, 0], -1, 1))
    return r, float((np.abs(moved) >= ALIKE * abs(r)).mean())
