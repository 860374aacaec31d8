"""Correlation of the content latents with nuisances: brightness, contrast, scan direction, focus.

A latent that follows the local mean may show thickness and not polarisation; one that follows the scan row may show
drift. The table gives the correlation, and how often it would arise by chance: smooth maps correlate easily.
"""

from __future__ import annotations

from collections.abc import Mapping
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

from .page import listed

__all__ = ["Cause", "Confound", "Nuisances", "find_confounds", "nuisance_maps"]


#: Correlations of at least this size are a reason to check, and those of two nuisances make them one cause.
NOTABLE = 0.5
#: A cause mentions chance when more than this share of the displaced maps correlates as strongly.
CHANCE = 0.05
#: A displaced map correlates as strongly when it reaches this share of the correlation.
ALIKE = 0.95
#: A map that varies by less than this share of its values is constant.
FLAT = 1e-9
#: What a latent does that correlates with a nuisance.
WORDS = {
    "grain": ("tells", "the grains apart"),
    "local mean": ("follows", "the brightness"),
    "local contrast": ("follows", "the contrast"),
    "scan row": ("changes", "from the first line to the last"),
    "scan column": ("changes", "along the lines"),
    "sharpness": ("follows", "the sharpness"),
}
#: What may cause it, in an electron microscope and with a scanned probe.
CAUSES: dict[str, dict[str, tuple[str, ...]]] = {
    "electrons": {
        "local mean": ("thickness", "contamination", "background"),
        "local contrast": ("thickness", "tilt", "focus"),
        "scan row": ("drift", "a slow change of the instrument"),
        "scan column": ("flyback", "a wedge-shaped specimen"),
        "sharpness": ("focus", "tilt"),
    },
    "probe": {
        "local mean": ("height", "contamination", "levelling"),
        "local contrast": ("the tip", "the set point"),
        "scan row": ("drift", "a slow change of the instrument"),
        "scan column": ("creep", "a slope"),
        "sharpness": ("the tip", "the feedback"),
    },
}
GRAIN_CAUSES = ("motifs that differ", "a wrong match of the motifs")


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
    instrument
        ``"electrons"``, ``"probe"``, or ``""`` if it is not known.
    """

    latent: str
    confounds: tuple[Confound, ...]
    instrument: str = ""

    @property
    def seen(self) -> str:
        """Correlations in one sentence without a full stop."""
        does: dict[str, list[str]] = {}
        for c in self.confounds:
            verb, what = WORDS[c.nuisance]
            does.setdefault(verb, []).append(f"{what} (r = {c.correlation:+.2f})")
        seen = [f"{verb} {listed(what)}" for verb, what in does.items()]
        return (
            f"{self.latent} {listed(seen)}{', which change together in this scan' if len(self.confounds) > 1 else ''}"
        )

    @property
    def words(self) -> str:
        """Correlations and what may cause them, in one sentence without a full stop."""
        known = [CAUSES[self.instrument]] if self.instrument else list(CAUSES.values())
        every = [known_causes.get(c.nuisance, GRAIN_CAUSES) for c in self.confounds for known_causes in known]
        causes = list(dict.fromkeys(cause for several in every for cause in several))
        text = f"{self.seen}: possible causes are {listed(causes, 'or')}"
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
    instrument
        As in `Cause`.
    """

    confounds: list[Confound]
    between: Mapping[frozenset[str], float]
    instrument: str = ""

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
                first = group[0].nuisance
                group += [c for c in left if abs(self.between.get(frozenset({c.nuisance, first}), 0.0)) >= NOTABLE]
                left = [c for c in left if c not in group]
                found.append(Cause(latent, tuple(group), self.instrument))
        return found


def find_confounds(latent_map: LatentMap, frame: NDArray[Any], *, period_px: float, instrument: str = "") -> Nuisances:
    """Correlate the content latents that vary with the nuisances of the raw ``frame (C, H, W)``.

    Latent map and nuisances are smoothed over one period first, so that the motif itself does not contribute. Where
    the map has grains, what differs between them is compared with the grain alone; the rest, within the grains, with
    the other nuisances.
    """
    grid = latent_map.grid
    sigma = 0.5 * period_px / grid.stride
    grain = np.zeros(latent_map.mean.shape[1:], int) if latent_map.grain is None else latent_map.grain.astype(int)
    maps = nuisance_maps(frame, latent_map)
    smooth = {name: _smooth(values - _of_grains(values, grain), sigma) for name, values in maps.items()}
    found = []
    for index, name in enumerate(latent_map.names):
        if latent_kind(name) != "content" or latent_map.units[index] or not latent_map.varies[index]:
            continue
        values = latent_map.mean[index].astype(float)
        between_grains = _of_grains(values, grain)
        if np.ptp(grain):
            sign = np.sign(np.corrcoef(grain.ravel(), between_grains.ravel())[0, 1])
            r = float(sign * between_grains.std() / max(values.std(), 1e-30))
            found.append(Confound(name, "grain", r, 0.0))
        values = _smooth(values - between_grains, sigma)
        for nuisance, other in smooth.items():
            found.append(Confound(name, nuisance, *_correlate(values, other)))
    between = {frozenset(pair): _correlate(smooth[pair[0]], smooth[pair[1]])[0] for pair in combinations(smooth, 2)}
    return Nuisances(found, between, instrument)


def _of_grains(values: Float64, grain: NDArray[np.intp]) -> Float64:
    """Mean of ``values (rows, cols)`` over the grain of each window; over all windows if there is one grain."""
    _, number = np.unique(grain, return_inverse=True)
    number = number.ravel()
    return np.asarray((np.bincount(number, values.ravel()) / np.bincount(number))[number].reshape(values.shape))


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
    maps["sharpness"] = detail / np.where(sd > 0, sd, 1)
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
