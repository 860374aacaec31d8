"""Automatic choice of the window, the number of content latents and the weight of smoothness, with the reasons.

No trial trainings are needed: `find_slow_variations` separates signal from noise in the frames themselves and ranks
windows as trainings do (docs/decisions/automatic-choices.md).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from shiftvae_rt.array_types import Float64
from shiftvae_rt.errors import LatticeError, TrainingError

from ..lattice.find import Lattice
from .slow_variations import SlowVariations, find_slow_variations

if TYPE_CHECKING:
    from ..fitting.settings import Settings

__all__ = ["Choice", "choose", "settle"]


#: Window sizes in periods: the smallest, which shows each column of the motif once wherever it lies, and larger ones.
LEAST_PERIODS, LARGER = 1.3, (2.0, 3.0)
#: A larger window is chosen if it explains this much more of the slow variation, as a share.
WORTH = 0.02
#: A component with this share of all slow variation gets a latent; the largest number of latents.
LEAST_SHARE, MOST_LATENTS = 0.08, 4
#: At least this share of a component must not be a function of the stronger ones: a curved path needs no second latent.
LEAST_OWN = 0.1
#: Share of a latent's information that smoothness may cost, and its largest weight.
SMOOTH_SHARE, MOST_SMOOTH = 0.25, 200.0
#: Number of content latents and weight of smoothness for a planar shift, where no lattice allows a measurement. The
#: weight is also used for a lattice on which nothing varies.
PLANAR_CONTENT, PLANAR_SMOOTH = 2, 50.0


@dataclass(frozen=True)
class Choice:
    """Window in px, number of content latents, weight of smoothness; a reason for each that was chosen."""

    window: int
    content: int
    smooth: float
    reasons: tuple[str, ...]


def settle(settings: Settings, frames: Sequence[NDArray[Any]], lattice: Lattice, *, reach: int) -> Choice:
    """Take window, content and smoothness from the settings, or choose those that are None; `reach` as in `choose`.

    Raises
    ------
    LatticeError
        for a torus shift without a period.
    TrainingError
        if a planar shift has no window, or the frames are too small for one.
    """
    torus = settings.shift == "torus"
    if torus and not len(lattice.vectors):
        raise LatticeError(
            f"{lattice.reason}: train on a periodic area, or use --shift planar for isolated features (with --window)"
        )
    if settings.window is None and not torus:
        raise TrainingError("a planar shift needs a window size: give --window, about twice the size of a feature")
    window, content, smooth = settings.window, settings.content, settings.constraints.get("smooth")
    if not torus:
        content, smooth = PLANAR_CONTENT if content is None else content, PLANAR_SMOOTH if smooth is None else smooth
    if window is not None and content is not None and smooth is not None:
        return Choice(window, content, smooth, ())
    return choose(frames, lattice, reach=reach, window=window, content=content, smooth=smooth)


def choose(
    frames: Sequence[NDArray[Any]],
    lattice: Lattice,
    *,
    reach: int,
    window: int | None = None,
    content: int | None = None,
    smooth: float | None = None,
) -> Choice:
    """Choose each of window, content and smoothness that is None.

    Parameters
    ----------
    frames
        ``(C, H, W)`` in raw detector units, all of one shape.
    lattice
        Their lattice, of one or two vectors.
    reach
        Largest distance along each axis of the windows that the smoothness condition compares, px.
    window, content, smooth
        Window in px; number of content latents; weight of smoothness in nats.

    Raises
    ------
    TrainingError
        if the frames are too small for a window of 1.3 periods.
    """
    sizes = [] if window else _sizes(lattice, frames[0].shape)
    found = find_slow_variations(frames, lattice)
    if not found.varies().any():
        return _without_variation(sizes, lattice, window=window, content=content, smooth=smooth)
    latents, why_content = _latents(found)
    found = found.pick(latents)
    reasons = []
    if window is None:
        window, why = _window(found, sizes, float(lattice.period_px.max()))
        reasons.append(why)
    if content is None:
        content = len(latents)
        reasons.append(why_content)
    if smooth is None and not content:
        smooth = 0.0  # there is no content to smooth
    elif smooth is None:
        smooth, why = _smoothness(found, window, reach)
        reasons.append(why)
    return Choice(window, content, smooth, tuple(reasons))


def _without_variation(
    sizes: list[int], lattice: Lattice, *, window: int | None, content: int | None, smooth: float | None
) -> Choice:
    """Choose for frames in which every motif is the same: one latent, to show this, in the smallest window."""
    reasons, nothing = [], "nothing varies above the noise"
    if window is None:
        window = sizes[0]
        reasons.append(
            f"window {window} px = {window / lattice.period_px.max():.1f} periods: the smallest, because {nothing}"
        )
    if content is None:
        content = 1
        reasons.append(f"1 content latent, although {nothing}")
    if smooth is None and not content:
        smooth = 0.0
    elif smooth is None:
        smooth = PLANAR_SMOOTH
        reasons.append(f"smoothness {smooth:g}: the default, because {nothing}")
    return Choice(window, content, smooth, tuple(reasons))


def _sizes(lattice: Lattice, shape: tuple[int, ...]) -> list[int]:
    """Window sizes to choose from, px: those that fit three times into the frame."""
    period, smallest = float(lattice.period_px.max()), min(n for n in shape[1:] if n > 1)
    least = max(12, 4 * math.ceil(LEAST_PERIODS * lattice.longest_px / 4))
    if 3 * least > smallest:
        raise TrainingError(
            f"expected frames of at least {3 * least} px, three windows of {LEAST_PERIODS} periods ({least} px), "
            f"got {smallest} px: scan a larger area, or choose --window"
        )
    larger = [4 * round(periods * period / 4) for periods in LARGER]
    return [least, *(size for size in larger if least < size <= smallest / 3)]


def _latents(found: SlowVariations) -> tuple[list[int], str]:
    """Indices of the components that need a latent (strong, and not a function of stronger ones), and the reason."""
    first, second = found.scores()
    shares = np.where(found.varies(), np.mean(first * second, axis=1), 0.0) / found.total
    kept: list[int] = []
    for index in np.flatnonzero(shares >= LEAST_SHARE):
        own = [half[index] - _function_of(half[kept], half[index]) for half in (first, second)]
        if np.mean(own[0] * own[1]) >= LEAST_OWN * shares[index] * found.total and len(kept) < MOST_LATENTS:
            kept.append(int(index))
    if not kept:
        return [0], f"1 content latent, although no component holds {_percent(LEAST_SHARE)} of the slow variation"
    held = ", ".join(_percent(shares[i]) for i in kept)
    rest = max(share for i, share in enumerate(shares) if i not in kept)
    count = "1 content latent: it holds" if len(kept) == 1 else f"{len(kept)} content latents: they hold"
    return kept, f"{count} {held} of the slow variation; no further component holds more than {_percent(rest)}"


def _function_of(known: Float64, value: Float64) -> Float64:
    """Part of ``value (n,)`` that is a polynomial of ``known (m, n)``."""
    if not len(known):
        return np.zeros_like(value)
    unit = known / known.std(axis=1, keepdims=True)
    design = np.stack(
        [np.ones_like(value), *unit, *unit**3, *(a * b for i, a in enumerate(unit) for b in unit[: i + 1])]
    )
    return np.asarray(np.linalg.lstsq(design.T, value, rcond=None)[0] @ design)


def _window(found: SlowVariations, sizes: list[int], period: float) -> tuple[int, str]:
    """Smallest window that explains nearly as much as any, and the reason."""
    shares = {size: _explained(found, size) for size in sizes}
    chosen = min(size for size, share in shares.items() if share >= max(shares.values()) - WORTH)
    others = "".join(f", {size} px would explain {_percent(share)}" for size, share in shares.items() if size != chosen)
    expected = f"expected to explain {_percent(shares[chosen])} of the slow variation{others}"
    return chosen, f"window {chosen} px = {chosen / period:.1f} periods: {expected}"


def _explained(found: SlowVariations, size: int) -> float:
    """Share of the slow variation that windows of `size` px explain: larger ones have less noise and less detail.

    One half of the pixels, blurred by the window, predicts the other in full detail, the same target for all sizes.
    """
    fine, coarse = found.scores(), found.under_window(size).scores()
    signal = np.mean(coarse[0] * fine[1] + coarse[1] * fine[0] - coarse[0] * coarse[1], axis=1)
    return float((signal - found.noise(size)).sum() / found.total)


def _smoothness(found: SlowVariations, size: int, reach: int) -> tuple[float, str]:
    """Weight at which smoothness costs `SMOOTH_SHARE` of the information of the most affected latent; the reason."""
    wide, noise = found.under_window(size), found.noise(size)
    first, second = wide.scores()
    signal = np.maximum(np.mean(first * second, axis=1), 1e-12)
    nats = 0.5 * np.log1p(signal / np.maximum(noise, 1e-12))
    differ = np.maximum(wide.difference(reach) / (signal + noise), 1e-12)
    least = int(np.argmin(nats / differ))
    weight = float(f"{min(MOST_SMOOTH, SMOOTH_SHARE * nats[least] / differ[least]):.1g}")
    return weight, (
        f"smoothness {weight:g}: z{least + 1} carries {nats[least]:.1f} nats and differs by {differ[least]:.2g} of its "
        "variance between neighbouring windows"
    )


def _percent(share: float) -> str:
    return f"{100 * min(max(share, 0.0), 1.0):.0f} %"
