"""Meaning of a content latent: which atomic columns of the motif move, widen or brighten along it, in px and pm.

The decoder draws the motif for any content. Gaussians fitted to its columns turn a traversal of a latent into
positions. They are relative to the anchor column, which the shift latents follow, so that a displacement here is the
displacement between sublattices that a microscopist measures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from shiftvae_rt.array_types import Float64

from ..model.column_fit import Columns, columns_of_cell, fit_columns
from ..model.shift_vae import ShiftVAE
from .motif_change import change_of_motif

__all__ = ["LatentAxis", "Meaning", "explain"]


#: Quantiles of a latent between which a traversal runs, and its number of steps: beyond them the decoder has no data.
ENDS, STEPS = (0.025, 0.975), 9
#: Contents at which columns are fitted for the map from content to displacement.
PROBES = 60
#: Rounds of fitting; from the second on the neighbours are subtracted.
ROUNDS = 3
#: A column moves along a latent when two deviations move it by this much, px; it changes when they change height or
#: width by this much, relative.
LEAST_MOVE, LEAST_CHANGE = 0.1, 0.03
#: The share of a change that no column explains is reported from here on.
MUCH = 0.3


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
    move_px
        ``(k, 2)`` how far each column moves from the anchor column for one unit of the latent, (y, x) px.
    brighten, widen
        ``(k,)`` relative change of height and width for one unit.
    sd
        Standard deviation of the latent over the frames.
    change
        Change of the cell around the anchor from one end of the traversal to the other: standard deviation of the
        difference, relative to that of the motif.
    unexplained
        Share of the variance of that change that no small change of a column explains; see `motif_change`.
    """

    name: str
    values: Float64
    templates: NDArray[np.float32]
    move_px: Float64
    brighten: Float64
    widen: Float64
    sd: float
    change: float
    unexplained: float


@dataclass(frozen=True)
class Meaning:
    """Columns of the motif and how the content latents change them.

    Attributes
    ----------
    columns_px
        ``(k, 2)`` the columns of a cell at mean content, relative to the anchor column, (y, x) px; the anchor is the
        first, at 0.
    axes
        One traversal for each latent that varies.
    used
        Indices of those latents among the content latents, ``axes`` in the same order.
    pixel_size_nm
        Edges ``(y, x)`` of a pixel of the training frames, nm, if known.
    """

    columns_px: Float64
    axes: tuple[LatentAxis, ...]
    used: tuple[int, ...]
    pixel_size_nm: tuple[float, float] | None
    _centre: Float64
    _scale: Float64
    _coefficients: Float64

    def displacement_px(self, content: Float64) -> Float64:
        """Displacement ``(k, 2, ...)`` px of each column from its mean place, for ``content (m, ...)`` of all latents.

        A quadratic in the content, fitted to columns of decoded templates. Multiply by ``1000 * pixel_size_nm`` of its
        axis for pm.
        """
        values = np.asarray(content, float)[list(self.used)]
        flat = (values.reshape(len(self.used), math.prod(values.shape[1:])) - self._centre[:, None]) / self._scale[
            :, None
        ]
        moved = _quadratic(flat.T.clip(-4, 4)) @ self._coefficients
        return np.asarray(moved.T.reshape(len(self.columns_px), 2, *values.shape[1:]))

    def in_words(self, axis: LatentAxis) -> str:
        """Describe in one line what changes along `axis`."""
        parts = []
        for k, move in enumerate(axis.move_px):
            size = float(np.hypot(*move))
            if k and 2 * size * axis.sd >= LEAST_MOVE:
                pm = ""
                if self.pixel_size_nm is not None:
                    pm = f" ({1000 * float(np.hypot(*np.multiply(move, self.pixel_size_nm))):.3g} pm)"
                parts.append(f"column {k + 1} moves {_direction(move)} by {size:.2g} px{pm}")
            for change, verb in ((axis.brighten[k], ("brightens", "dims")), (axis.widen[k], ("widens", "narrows"))):
                if 2 * abs(change) * axis.sd >= LEAST_CHANGE:
                    parts.append(f"column {k + 1} {verb[int(change < 0)]} by {100 * abs(change):.2g} %")
        far = f"from end to end of its range the motif changes by {100 * axis.change:.2g} % of its contrast"
        rest = f"{100 * axis.unexplained:.0f} % of this change is not explained by any column"
        if not parts:
            parts.append(f"no column moves or changes its height or width; {far}, {rest}")
        elif axis.unexplained > MUCH and axis.change >= LEAST_CHANGE:
            parts.append(f"{far}, {rest}")
        return f"For one unit of {axis.name}: " + "; ".join(parts)


@torch.no_grad()
def explain(
    model: ShiftVAE, content: Float64, varies: tuple[bool, ...], *, pixel_size_nm: tuple[float, float] | None
) -> Meaning:
    """Traverse every content latent that varies and fit the columns that the decoder draws.

    Parameters
    ----------
    model
        A trained model with its anchor set.
    content
        ``(m, n)`` posterior means of n windows, which set the range of each latent.
    varies
        ``(m,)`` whether training found variation in each latent.
    pixel_size_nm
        Edges ``(y, x)`` of a pixel of the training frames, nm, if known.
    """
    content = np.asarray(content, float)
    used = tuple(i for i, v in enumerate(varies) if v)
    centre = content.mean(axis=1) if content.size else np.zeros(len(content))
    sd = np.maximum(content.std(axis=1), 1e-6) if content.size else np.ones(len(content))
    middle = _draw(model, centre[None]).mean(axis=1)[0]
    anchor = model.anchor.double().numpy() - [float(place[0]) for place in model.decoder.places()]

    def wrap(vector: Float64) -> Float64:
        return model.shift.wrap_px(torch.from_numpy(vector).float()).double().numpy()

    places, kinds, radius = columns_of_cell(middle, anchor, wrap)
    start = fit_columns(middle[None], places, radius, rounds=ROUNDS).centre[0]
    start = np.where(np.isfinite(start), start, places)

    def columns_at(content: Float64) -> tuple[NDArray[np.float32], Columns]:
        drawn = _draw(model, content)
        return drawn.astype(np.float32), fit_columns(drawn.mean(axis=1), start, radius, rounds=ROUNDS)

    still = columns_at(centre[None])[1].first(kinds)
    axes = []
    for i in used:
        walk = np.repeat(centre[None], STEPS, axis=0)
        first, last = np.quantile(content[i], ENDS)
        walk[:, i] = np.linspace(first, last, STEPS)
        templates, columns = columns_at(walk)
        change, unexplained = change_of_motif(templates.mean(axis=1, dtype=float), still.of_image(0), start, wrap)
        fitted = columns.first(kinds)
        axes.append(
            LatentAxis(
                f"z{i + 1}",
                walk[:, i],
                templates,
                move_px=_slope(walk[:, i], _relative(fitted)),
                brighten=_slope(walk[:, i], fitted.height / still.height),
                widen=_slope(walk[:, i], fitted.width / still.width),
                sd=float(sd[i]),
                change=change,
                unexplained=unexplained,
            )
        )
    rng = np.random.default_rng(0)
    picked = content[:, rng.choice(content.shape[1], min(PROBES, content.shape[1]), replace=False)].T
    probes = np.repeat(centre[None], len(picked), axis=0)
    probes[:, used] = picked[:, used]
    moved = _relative(columns_at(probes)[1].first(kinds)) - _relative(still)
    design = _quadratic((probes[:, used] - centre[list(used)]) / sd[list(used)])
    coefficients = np.zeros((design.shape[1], moved.shape[1] * 2))
    for j, column in enumerate(moved.reshape(len(moved), -1).T):
        good = np.isfinite(column)
        if good.sum() >= 2 * design.shape[1]:
            coefficients[:, j] = np.linalg.lstsq(design[good], column[good], rcond=None)[0]
    return Meaning(
        columns_px=_relative(still)[0],
        axes=tuple(axes),
        used=used,
        pixel_size_nm=pixel_size_nm,
        _centre=centre[list(used)],
        _scale=sd[list(used)],
        _coefficients=coefficients,
    )


def _draw(model: ShiftVAE, content: Float64) -> Float64:
    return model.decoder.template(torch.from_numpy(content).float()).double().numpy()


def _relative(columns: Columns) -> Float64:
    return columns.centre - columns.centre[:, :1]


def _slope(values: Float64, along: Float64) -> Float64:
    """Least-squares slope of ``along (n, ...)`` over ``values (n,)``; 0 where fewer than half are finite."""
    flat = along.reshape(len(values), -1)
    slopes = np.zeros(flat.shape[1])
    for j, column in enumerate(flat.T):
        good = np.isfinite(column)
        if 2 * good.sum() >= len(values):
            slopes[j] = np.polyfit(values[good], column[good], 1)[0]
    return slopes.reshape(along.shape[1:])


def _quadratic(z: Float64) -> Float64:
    """Monomials up to degree two of ``z (n, m)``, constant first."""
    i, j = np.triu_indices(z.shape[1])
    return np.concatenate([np.ones((len(z), 1)), z, z[:, i] * z[:, j]], axis=1)


def _direction(move: Float64) -> str:
    """Direction in the image of a (y, x) vector, to 45 degrees: right, down and right, down, ..."""
    names = ("right", "down and right", "down", "down and left", "left", "up and left", "up", "up and right")
    return names[round(np.arctan2(move[0], move[1]) / (np.pi / 4)) % 8]
