"""Meaning of a content latent: which atomic columns of the motif move, widen or brighten along it, in px and pm.

Gaussians fitted to the columns of the motif turn a traversal of a latent into positions: of the motif of the scan,
averaged where the latent has each value, and of the motif that the decoder draws for any content. They are relative to
the anchor column, which the shift latents follow, so that a displacement here is the displacement between sublattices
that a microscopist measures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from shiftvae_rt.array_types import Float64

from ..model.column_fit import Columns, columns_of_cell, fit_columns
from ..model.shift_vae import ShiftVAE
from .latent_axis import Changes, LatentAxis, changes_of, relative_places
from .motif_change import cell_around, change_of_motif
from .scan_motif import Scan, motif_of_scan

__all__ = ["Meaning", "explain"]


#: Quantiles of a latent between which a traversal runs, and its number of steps: beyond them the decoder has no data.
ENDS, STEPS = (0.025, 0.975), 9
#: First and last step of a latent in the scan.
ENDMOST = [0, -1]
#: Contents at which columns are fitted for the map from content to displacement.
PROBES = 60
#: Rounds of fitting; from the second on the neighbours are subtracted.
ROUNDS = 3


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
    word
        What the field calls the peaks of the motif, in the singular.
    motif, anchor_px
        ``(h, w)`` what the decoder draws at mean content, and the pixel indices (y, x) of the anchor column there.
    """

    columns_px: Float64
    axes: tuple[LatentAxis, ...]
    used: tuple[int, ...]
    pixel_size_nm: tuple[float, float] | None
    word: str
    motif: Float64
    anchor_px: Float64
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

    @property
    def words(self) -> str:
        """Plural of `word`."""
        return "maxima" if self.word == "maximum" else f"{self.word}s"

    def in_words(self, axis: LatentAxis) -> str:
        """Describe in one sentence what changes along `axis`, from end to end."""
        return axis.in_words(self.pixel_size_nm, self.word)


@torch.no_grad()
def explain(
    model: ShiftVAE,
    content: Float64,
    varies: tuple[bool, ...],
    *,
    pixel_size_nm: tuple[float, float] | None,
    word: str = "peak",
    scan: Scan | None = None,
) -> Meaning:
    """Traverse every content latent that varies and fit the columns that the decoder draws, and those of the scan.

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
    word
        What the field calls the peaks of the motif, in the singular.
    scan
        Scan in which the columns are measured; without it, and in a scan of few cells, those that the decoder draws
        are.
    """
    content = np.asarray(content, float)
    used = tuple(i for i, v in enumerate(varies) if v)
    centre = content.mean(axis=1) if content.size else np.zeros(len(content))
    sd = np.maximum(content.std(axis=1), 1e-6) if content.size else np.ones(len(content))
    middle = _draw(model, centre[None]).mean(axis=1)[0]

    def wrap(vector: Float64) -> Float64:
        return model.shift.wrap_px(torch.from_numpy(vector).float()).double().numpy()

    anchor = model.anchor.double().numpy() - [float(place[0]) for place in model.decoder.places()]
    inner = (np.array(middle.shape) - 1) / 2
    anchor = inner + wrap(anchor - inner)
    places, kinds, radius = columns_of_cell(middle, anchor, wrap)
    start = fit_columns(middle[None], places, radius, rounds=ROUNDS).centre[0]
    start = np.where(np.isfinite(start), start, places)

    def columns_in(images: Float64) -> Columns:
        return fit_columns(images, start, radius, rounds=ROUNDS)

    still = columns_in(middle[None]).first(kinds)
    in_map = tuple(model.first_content + i for i in used)
    cell = np.argwhere(cell_around(start[0], middle.shape, wrap))
    needed = np.concatenate([cell, start[:kinds] - radius, start[:kinds] + radius]).clip(0, np.array(middle.shape) - 1)
    seen = None if scan is None else motif_of_scan(scan, needed, middle.shape, anchor=still.centre[0, 0], used=in_map)
    measure = partial(changes_of, places=start, radius=radius, kinds=kinds)
    axes = []
    for number, i in enumerate(used):
        walk = np.repeat(centre[None], STEPS, axis=0)
        first, last = np.quantile(content[i], ENDS)
        walk[:, i] = np.linspace(first, last, STEPS)
        templates = _draw(model, walk).astype(np.float32)
        drawn, _ = measure(walk[:, i], templates.mean(axis=1, dtype=float))
        measured, errors, ends = drawn, None, (float(first), float(last))
        whole: Float64 = (templates[-1] - templates[0]).mean(axis=0, dtype=float)
        twice, motif = (whole, whole), middle
        if seen is not None:
            (measured, unsure), (one, _), (other, _) = (
                measure(part.values[number, ENDMOST], part.steps[number, ENDMOST]) for part in seen
            )
            ends = float(seen[0].values[number, 0]) + centre[i], float(seen[0].values[number, -1]) + centre[i]
            errors = _together(unsure, one, other)
            half, rest = (part.slopes[number] * (ends[1] - ends[0]) for part in seen[1:])
            twice, motif = (half, rest), seen[0].mean
        change = change_of_motif(twice, motif, columns=still.of_image(0), places=start, wrap=wrap)
        axes.append(
            LatentAxis(
                f"z{i + 1}",
                walk[:, i],
                templates,
                ends=ends,
                changes=measured,
                errors=errors,
                drawn=drawn,
                sd=float(sd[i]),
                change=change,
            )
        )
    rng = np.random.default_rng(0)
    picked = content[:, rng.choice(content.shape[1], min(PROBES, content.shape[1]), replace=False)].T
    probes = np.repeat(centre[None], len(picked), axis=0)
    probes[:, used] = picked[:, used]
    moved = relative_places(columns_in(_draw(model, probes).mean(axis=1)).first(kinds)) - relative_places(still)
    design = _quadratic((probes[:, used] - centre[list(used)]) / sd[list(used)])
    coefficients = np.zeros((design.shape[1], moved.shape[1] * 2))
    for j, column in enumerate(moved.reshape(len(moved), -1).T):
        good = np.isfinite(column)
        if good.sum() >= 2 * design.shape[1]:
            coefficients[:, j] = np.linalg.lstsq(design[good], column[good], rcond=None)[0]
    return Meaning(
        columns_px=relative_places(still)[0],
        axes=tuple(axes),
        used=used,
        pixel_size_nm=pixel_size_nm,
        word=word,
        motif=middle,
        anchor_px=still.centre[0, 0],
        _centre=centre[list(used)],
        _scale=sd[list(used)],
        _coefficients=coefficients,
    )


def _together(unsure: Changes, one: Changes, other: Changes) -> Changes:
    """Errors from how far changes depend on the fit, and from those of two halves of the scan.

    Two halves of one column may agree by chance: the error is at least the root mean square of those of all columns.
    """
    parts = zip(*(vars(changes).values() for changes in (unsure, one, other)), strict=True)
    return Changes(*(np.hypot(fit, _of_halves(np.abs(a - b) / 2)) for fit, a, b in parts))


def _of_halves(apart: Float64) -> Float64:
    known = apart[apart > 0]  # the anchor never moves from itself
    return np.maximum(apart, np.sqrt(np.mean(known**2))) if known.size else apart


def _draw(model: ShiftVAE, content: Float64) -> Float64:
    return model.decoder.template(torch.from_numpy(content).float()).double().numpy()


def _quadratic(z: Float64) -> Float64:
    """Monomials up to degree two of ``z (n, m)``, constant first."""
    i, j = np.triu_indices(z.shape[1])
    return np.concatenate([np.ones((len(z), 1)), z, z[:, i] * z[:, j]], axis=1)
