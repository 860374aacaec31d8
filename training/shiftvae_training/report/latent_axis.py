"""A traversal of one content latent, and what its columns do along it, in numbers and in words."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from shiftvae_rt.array_types import Float64

from ..model.column_fit import Columns, fit_columns
from .motif_change import MotifChange
from .page import listed

__all__ = ["Changes", "LatentAxis", "changes_of", "relative_places", "rounded"]


#: A column moves along a latent when it moves by this much over the range of the latent, px; it changes when its height
#: or width changes by this much, relative; and each by this many of its errors.
LEAST_MOVE, LEAST_CHANGE, ERRORS = 0.15, 0.05, 3.0
#: Radii of the discs on which columns are fitted, in units of half the distance between neighbours.
DISCS = (0.5, 0.6)
_AROUND = np.arange(8) * np.pi / 4
#: Places around the top of a column whose mean is its brightness, in units of its width: one pixel alone is noisy.
TOP = np.concatenate([np.zeros((1, 2)), 0.4 * np.stack([np.sin(_AROUND), np.cos(_AROUND)], axis=1)])
#: Quantile of the motif that counts as the dark between the columns, above which their brightness is measured.
DARK = 0.05
#: The share of a change that no column explains is reported from here on.
MUCH = 0.3


@dataclass(frozen=True)
class Changes:
    """Changes of columns for one unit of a latent.

    Attributes
    ----------
    move_px
        ``(k, 2)`` how far each column moves from the anchor column, (y, x) px.
    brighten, widen
        ``(k,)`` relative change of height and width.
    """

    move_px: Float64
    brighten: Float64
    widen: Float64


@dataclass(frozen=True)
class LatentAxis:
    """Traversal of one latent over the values that 95 % of the windows have, all other latents at their mean.

    Attributes
    ----------
    name
        Name of the latent.
    values
        ``(9,)`` values of the latent along the traversal.
    templates
        ``(9, C, h, w)`` what the decoder draws, in units of a window's standard deviation.
    ends
        Values between which the changes are stated: means over the fifths of the windows in which the latent is lowest
        and highest, or, as the decoder draws it, the ends of the traversal.
    changes
        Changes of the columns: measured in the scan, or else those that the decoder draws.
    errors
        Standard errors of the changes; None for those that the decoder draws.
    drawn
        Changes that the decoder draws.
    sd
        Standard deviation of the latent over the frames.
    change
        Change of the cell around the anchor from end to end, in the scan, or else as the decoder draws it.
    """

    name: str
    values: Float64
    templates: NDArray[np.float32]
    ends: tuple[float, float]
    changes: Changes
    errors: Changes | None
    drawn: Changes
    sd: float
    change: MotifChange

    @property
    def span(self) -> float:
        """Way between the ends, units of the latent."""
        return self.ends[1] - self.ends[0]

    @property
    def longer(self) -> int | None:
        """Column that explains much of a change that counts by becoming longer in one direction; None if none does."""
        index, share, _ = self.change.longer
        return index if share > MUCH and self.change.size >= LEAST_CHANGE else None

    @property
    def unexplained(self) -> float:
        """Share of the change that nothing in the sentence of this latent explains."""
        return self.change.unexplained - (self.change.longer[1] if self.longer is not None else 0.0)

    @property
    def much_unexplained(self) -> bool:
        """True if much of a change that counts is no change of a column."""
        return self.unexplained > MUCH and self.change.size >= LEAST_CHANGE

    @property
    def misdrawn(self) -> list[int]:
        """Columns whose movement in the scan is clearly not that which the decoder draws, and large enough to count."""
        if self.errors is None:
            return []
        seen, drawn = self.span * self.changes.move_px, self.span * self.drawn.move_px
        apart = np.hypot(*(seen - drawn).T)
        sure = ERRORS * self.span * np.hypot(*self.errors.move_px.T)
        largest = np.maximum(np.hypot(*seen.T), np.hypot(*drawn.T))
        return [int(k) for k in np.flatnonzero((apart > LEAST_MOVE) & (apart > sure) & (apart > 0.5 * largest))]

    @property
    def moving(self) -> list[int]:
        """Columns that move by more than their errors, and far enough to count."""
        far = self.span * np.hypot(*self.changes.move_px.T)
        sure = ERRORS * self.span * np.hypot(*self._errors.move_px.T)
        return [int(k) for k in np.flatnonzero((far >= LEAST_MOVE) & (far >= sure)) if k]

    @property
    def _errors(self) -> Changes:
        return self.errors or Changes(*(np.zeros_like(part) for part in vars(self.changes).values()))

    def in_words(self, pixel_size_nm: tuple[float, float] | None, word: str) -> str:
        """Describe in one sentence what the columns, or whatever `word` says, do from end to end."""
        parts, moving = [], self.moving
        for k, move in enumerate(self.span * self.changes.move_px):
            does = [f"moves {_direction(move)} by {_length(move, pixel_size_nm)}"] if k in moving else []
            for name, verbs in (("brighten", ("brightens", "dims")), ("widen", ("widens", "narrows"))):
                change = self.span * float(getattr(self.changes, name)[k])
                if abs(change) >= LEAST_CHANGE and abs(change) >= ERRORS * self.span * getattr(self._errors, name)[k]:
                    does.append(f"{verbs[int(change < 0)]} by {rounded(100 * abs(change))} %")
            if k == self.longer:
                does.append(f"becomes longer at {round(self.change.longer[2]) % 180} degrees to the scan lines")
            if does:
                parts.append(f"{word} {k + 1} {listed(does)}")
        far = f"the motif changes by {rounded(100 * self.change.size)} % of its contrast"
        rest = f"is no movement, height or width of a {word}" if self.longer is None else "is something else"
        if self.much_unexplained:
            parts.append(f"{far}, and {100 * self.unexplained:.0f} % of this change {rest}")
        elif not parts and self.change.size >= LEAST_CHANGE:
            parts.append(f"{far}, but no {word} alone clearly moves, or changes its height or width")
        elif not parts:
            parts.append(f"no {word} moves or changes its height or width; {far}")
        way = "from one end of its range to the other, as the model draws it"
        if self.errors is not None:
            way = "from the fifth of the scan where it is lowest to the fifth where it is highest"
        return f"{self.name}, {way}: {'; '.join(parts)}"


def rounded(value: float) -> str:
    """A number with two digits, without an exponent."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    decimals = 1 - math.floor(math.log10(abs(value)))
    return f"{round(value, decimals):.{max(0, decimals)}f}"


def changes_of(
    values: Float64, images: Float64, places: Float64, *, radius: float, kinds: int
) -> tuple[Changes, Changes]:
    """Changes of the columns of a motif for one unit of a latent, and how far they depend on the fit.

    Isotropic Gaussians are fitted on discs of two sizes; where columns overlap or are not round, large discs disagree
    with small ones. The width of a peak that is not symmetric also depends on where the disc lies.

    Parameters
    ----------
    values
        ``(n,)`` values of the latent.
    images
        ``(n, h, w)`` the motif at each of them.
    places
        ``(m, 2)`` approximate places of all columns, pixel indices; one of each kind first, the anchor foremost.
    radius
        Half the distance between neighbouring columns, px.
    kinds
        Number of kinds.
    """
    sizes = [max(share * radius, 2.0) for share in DISCS]
    found = [_changes(values, images, places, radius=size, kinds=kinds) for size in sizes]
    rough = fit_columns(images, places, sizes[-1], rounds=3).centre
    middles = np.where(np.isfinite(rough), rough, places)
    found.append(_changes(values, images, middles, radius=sizes[-1], kinds=kinds))
    one, other, again = (vars(part) for part in found)
    mean = {name: (one[name] + other[name]) / 2 for name in one}
    apart = {name: np.abs(one[name] - other[name]) / 2 for name in one}
    apart["widen"] = np.ptp([one["widen"], other["widen"], again["widen"]], axis=0)
    return Changes(**mean), Changes(**apart)


def _changes(values: Float64, images: Float64, places: Float64, *, radius: float, kinds: int) -> Changes:
    """Slopes of place, brightness and width from one fit; a width at the bound of the fit is none."""
    fitted = fit_columns(images, places, radius, rounds=3).first(kinds)
    top = np.nan_to_num(fitted.centre)[..., None, :] + np.nan_to_num(fitted.width)[..., None, None] * TOP
    frames = np.broadcast_to(np.arange(len(images))[:, None, None], top.shape[:-1])
    peak = map_coordinates(images, [frames, top[..., 0], top[..., 1]], order=1, mode="nearest").mean(axis=-1)
    dark = np.quantile(images, DARK, axis=(1, 2))[:, None]
    bright = np.where(np.isfinite(fitted.height), peak - dark, np.nan)
    width = np.where(fitted.width < 0.98 * radius, fitted.width, np.nan)
    return Changes(
        _slope(values, relative_places(fitted)),
        _slope(values, bright / bright.mean(axis=0)),
        _slope(values, width / width.mean(axis=0)),
    )


def relative_places(columns: Columns) -> Float64:
    """Places ``(n, k, 2)`` of columns ``(n, k)`` relative to the first."""
    return columns.centre - columns.centre[:, :1]


def _slope(values: Float64, along: Float64) -> Float64:
    """Least-squares slope of ``along (n, ...)`` over ``values (n,)``; 0 where fewer than half or two are finite."""
    flat = along.reshape(len(values), -1)
    slopes = np.zeros(flat.shape[1])
    for j, column in enumerate(flat.T):
        good = np.isfinite(column)
        if good.sum() >= max(2, len(values) / 2) and np.ptp(values[good]) > 0:
            slopes[j] = np.polyfit(values[good], column[good], 1)[0]
    return slopes.reshape(along.shape[1:])


def _length(move: Float64, pixel_size_nm: tuple[float, float] | None) -> str:
    size = float(np.hypot(*move))
    if pixel_size_nm is None:
        return f"{rounded(size)} px"
    return f"{rounded(1000 * float(np.hypot(*np.multiply(move, pixel_size_nm))))} pm ({rounded(size)} px)"


def _direction(move: Float64) -> str:
    """Direction in the image of a (y, x) vector, to 45 degrees: right, down and right, down, ..."""
    names = ("right", "down and right", "down", "down and left", "left", "up and left", "up", "up and right")
    return names[round(np.arctan2(move[0], move[1]) / (np.pi / 4)) % 8]
