"""The anchor of a motif: its brightest column, and how that moves with the content."""

from __future__ import annotations

import numpy as np

from shiftvae_rt.array_types import Float32, Float64

from .column_fit import columns_of_cell, fit_columns

__all__ = ["find_anchor"]

#: A content latent with a smaller deviation than this is ignored.
VARIES = 0.1


def find_anchor(templates: Float64, content: Float32) -> tuple[Float64, Float64]:
    """Position ``(2,)`` of the brightest column in a template, px (y, x) from its first pixel, and slope ``(m, 2)``.

    Parameters
    ----------
    templates
        ``(1 + n, height, width)``: one of the mean content, and those of ``content``.
    content
        ``(n, m)``.

    Returns
    -------
    tuple of ndarray
        The position at content 0, and px for a unit of each content. If the column cannot be fitted in half of the
        templates, the maximum of the first, and no slope.
    """
    places, _, radius = columns_of_cell(templates[0], None, lambda vector: vector)
    found = fit_columns(templates[1:], places[:1], radius).centre[:, 0]
    known = np.isfinite(found).all(axis=1)
    varies = content.std(axis=0) > VARIES
    place, slope = places[0], np.zeros((content.shape[1], 2))
    if known.mean() > 0.5:
        design = np.concatenate([np.ones((len(content), 1)), content[:, varies]], axis=1)
        line = np.linalg.lstsq(design[known], found[known], rcond=None)[0]
        place, slope[varies] = line[0], line[1:]
    return place, slope
