"""Domain check: is a frame like the training data? A score for every window, and a verdict on the frame.

First, there must be enough contrast to tell. A window is divided by its standard deviation, but by no less than a floor
in the model file, and float32 has seven digits: a unit of counts that is far too small, or a large offset, hides
everything.

Then three checks, each in units of its limit in the model file, so that 1 is the threshold of all:

- period: the shift is a ruler. The shifts of two windows ``d`` apart differ by exactly ``d``, modulo the lattice. What
  remains is local strain; its mean over a frame is a change of magnification, a shear or another lattice.
- motif: the residual of a few windows after the decoder. Noise is white and structure is not: the covariance of
  neighbouring pixels tells a motif that the model cannot draw (defocus, tilt, other atoms) from a lower dose.
- windows: content, log posterior deviations and strain of each window, as the Mahalanobis distance from those of the
  training data; for a frame, the share of windows beyond the limit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .array_types import Float32
from .model.manifest import Domain, Manifest
from .verdict import DomainVerdict

if TYPE_CHECKING:
    from .model.samples import Samples

__all__ = ["DomainGauge", "Ruler", "residual_structure", "window_features"]

#: Number of windows, about, that the verdict on a frame uses: every second or third row and column of a large map.
VERDICT_WINDOWS = 4096
#: Windows that are scored together.
BAND_WINDOWS = 1 << 13
#: Least deviation of windows, in floors; and largest step between floats of their size, in units of that deviation.
LEAST_CONTRAST, MOST_GRAIN = 2.0, 0.25


class DomainGauge:
    """Scores the latent maps of one model.

    Parameters
    ----------
    manifest, domain
        The model's manifest, and the domain in it.
    stride
        px between windows.
    """

    def __init__(self, manifest: Manifest, domain: Domain, stride: int) -> None:
        self._manifest, self._domain, self._stride = manifest, domain, stride
        whitening = np.asarray(domain.whitening)
        self._whitening = whitening.astype(np.float32)
        self._offset = (whitening @ np.asarray(domain.centre)).astype(np.float32)[:, None]
        self._rulers: dict[int, Ruler] = {}

    def judge(self, mean: Float32, std: Float32, samples: Samples, draw: Callable[[Float32], Float32]) -> DomainVerdict:
        """Give the verdict on the windows of ``mean, std (L, rows, cols)`` together, of a whole frame or its top.

        The limits are wider for a part of a frame: twice as wide for a quarter of the samples.
        `draw` is the decoder, from latents ``(n, L)`` to windows ``(n, C, h, w)``; they are compared with `samples`.
        """
        domain, faint, reasons = self._domain, [], []
        step = max(1, round((mean[0].size / VERDICT_WINDOWS) ** 0.5))
        few_mean, few_std = (np.ascontiguousarray(a[:, ::step, ::step]) for a in (mean, std))
        ruler = self._ruler(step)
        advance = ruler.advance(few_mean)
        known = ruler.known(advance)
        if known.size:
            strain = ruler.strain(known) - domain.strain
            reasons.append((float(np.abs(strain).max()) / domain.most_strain, _strain_in_words(strain)))
        if len(samples.rows):
            latents = np.ascontiguousarray(mean[:, samples.rows[:, None], samples.cols].reshape(len(mean), -1).T)
            excess = residual_structure(samples.windows, draw(latents)) - domain.structure
            reasons.append((max(0.0, excess) / domain.most_structure, "another motif: focus, tilt or material"))
            faint = self._too_faint(samples)
        scores = self._score(few_mean, few_std, advance)
        out = float(np.count_nonzero(scores > 1)) / scores.size
        share = f"{100 * out:.0f} % of the windows are unlike those of the training data"
        reasons.append((out / domain.most_windows_out, share))
        wider = samples.share**-0.5  # means over fewer windows scatter more, by the root of their number
        reasons = [(score / wider, reason) for score, reason in reasons]
        said = [reason for score, reason in faint if score > 1]  # without contrast, the other checks fail too
        return DomainVerdict(
            score=round(max(score for score, _ in [*faint, *reasons]), 4),
            windows_out=round(out, 4),
            reason="; ".join(said or [reason for score, reason in reasons if score > 1]),
        )

    def _too_faint(self, samples: Samples) -> list[tuple[float, str]]:
        """Give scores and reasons for whether the floor, or the digits of float32, hide the windows' contrast."""
        intensity = self._manifest.intensity
        if intensity.normalisation != "zscore":
            return []
        contrast = max(samples.contrast, 1e-30)
        share = f"contrast is {contrast:.1g} of the training data's"
        return [
            (LEAST_CONTRAST * intensity.sd_floor / contrast, f"{share}: were the counts rescaled?"),
            (
                samples.grain / (MOST_GRAIN * contrast),
                f"{share} on an offset that leaves no digits for it: subtract it",
            ),
        ]

    def score_windows(self, mean: Float32, std: Float32) -> Float32:
        """Give the scores ``(rows, cols)`` of all windows of ``mean, std (L, rows, cols)``."""
        return self._score(mean, std, self._ruler(1).advance(mean))

    def _ruler(self, step: int) -> Ruler:
        """Give the ruler for every `step`-th window; it is kept, since frames come in one size."""
        if step not in self._rulers:
            self._rulers[step] = Ruler(self._manifest, self._stride * step)
        return self._rulers[step]

    def _score(self, mean: Float32, std: Float32, advance: Float32) -> Float32:
        """Score the windows in bands of rows that stay in the cache."""
        _, rows, cols = mean.shape
        scores = np.empty((rows, cols), np.float32)
        together = max(1, BAND_WINDOWS // cols)
        for row in range(0, rows, together):
            band = (slice(None), slice(row, row + together))
            axes, grains = self._manifest.dimensions, bool(self._manifest.grains)
            features = window_features(mean[band], std[band], advance[band], axes, grains=grains)
            away = self._whitening @ features.reshape(len(features), -1)
            away -= self._offset
            np.einsum("kn,kn->n", away, away, out=scores[row : row + together].reshape(-1))
        return np.sqrt(scores, out=scores)


class Ruler:
    """Measures lengths by the shift: its advance over about a window's width, against that of the mean lattice.

    Parameters
    ----------
    manifest
        The model's manifest; without a lattice, or without shift latents, nothing is measured.
    stride
        px between windows.
    """

    def __init__(self, manifest: Manifest, stride: int) -> None:
        self.axes, self.stride = manifest.dimensions, stride
        self.steps = max(1, round(manifest.window[1] / stride))
        self._vectors = np.reshape(manifest.lattice, (-1, 2))[:, 2 - self.axes :]
        self._to_turns = np.linalg.pinv(self._vectors)  # (axes, k)
        #: Lattices of all grains ``(K, 2, 2)``; none for a single one.
        self._grains = np.array([grain.vectors for grain in manifest.grains])

    @property
    def turns(self) -> NDArray[np.float64]:
        """Number of turns of each phase for a strain of 1, ``(axes k,)``."""
        lengths = np.linalg.norm(self._to_turns, axis=0).astype(np.float64)
        return np.tile(self.stride * self.steps * lengths, self.axes)

    def advance(self, mean: Float32) -> Float32:
        """Give the advance of each phase beyond the lattice's, turns, ``(axes k, rows, cols)``.

        ``mean (L, rows, cols)`` are the latents. First the advance along y for each lattice vector, then along x; 0
        where there is no window that far above or to the left. With several grains, that of each window is in its own
        lattice, brought to the basis of the first; 0 where the other window is of another grain, or there is none.
        """
        if not len(self._grains):
            return self._advance(mean[: self.axes], self._to_turns)
        found = np.zeros((self.axes * len(self._vectors), *mean.shape[1:]), np.float32)
        for number, vectors in enumerate(self._grains):
            change = vectors @ self._to_turns  # turns of this lattice's phases as ones of the first's, for a strain
            advance = self._advance(mean[:2], np.linalg.inv(vectors)).reshape(self.axes, -1, mean[0].size)
            same = (change.T @ advance).reshape(found.shape).astype(np.float32)
            np.copyto(found, same, where=self.both(mean[2] == number))
        return found

    def both(self, mine: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Mask ``(axes k, rows, cols)`` of the windows that are `mine`, as is the other one along each axis."""
        both = np.zeros((self.axes, 1, *mine.shape), bool)
        for axis, mask in enumerate(both):
            self._ahead(axis, mask)[:] = self._ahead(axis, mine[None]) & self._behind(axis, mine[None])
        return np.repeat(both, len(self._vectors), axis=1).reshape(-1, *mine.shape)

    def _advance(self, shift: Float32, to_turns: NDArray[np.float64]) -> Float32:
        """Advance of the phases of one lattice, whose turns for a displacement are ``to_turns (axes, k)``."""
        axes, k, steps = self.axes, to_turns.shape[1], self.steps
        phase = (to_turns.T.astype(np.float32) @ shift.reshape(axes, -1)).reshape(k, *shift.shape[1:])
        found = np.zeros((axes, k, *shift.shape[1:]), np.float32)
        for axis, advance in enumerate(found):
            place, ahead, behind = self._ahead(axis, advance), self._ahead(axis, phase), self._behind(axis, phase)
            np.subtract(ahead, behind, out=place)
            place += (self.stride * steps * to_turns[axis]).astype(np.float32)[:, None, None]
            place -= np.rint(place)
        advances: Float32 = found.reshape(axes * k, *shift.shape[1:])
        return advances

    def known(self, advance: Float32) -> Float32:
        """Give `advance` without the windows that have no other that far above or to the left."""
        return advance[:, self.steps if self.axes == 2 else 0 :, self.steps :]

    def strain(self, known: Float32) -> NDArray[np.float64]:
        """Give the mean displacement ``(axes, axes)`` in px for a px along each axis; zeros if nothing is `known`."""
        k = len(self._vectors)
        if not known.size:
            return np.zeros((self.axes, self.axes))
        turns = known.mean(axis=(1, 2), dtype=np.float64).reshape(self.axes, k)
        strain: NDArray[np.float64] = turns @ self._vectors / (self.stride * self.steps)
        return strain

    def _ahead(self, axis: int, values: NDArray[Any]) -> NDArray[Any]:
        """Give the windows that have another `steps` before them along `axis`."""
        return values[:, self.steps :] if axis == 0 and self.axes == 2 else values[:, :, self.steps :]

    def _behind(self, axis: int, values: NDArray[Any]) -> NDArray[Any]:
        """Give the windows `steps` before those of `_ahead`."""
        return values[:, : -self.steps] if axis == 0 and self.axes == 2 else values[:, :, : -self.steps]


def window_features(mean: Float32, std: Float32, advance: Float32, axes: int, *, grains: bool = False) -> Float32:
    """Stack the features of windows, ``(K, rows, cols)``: content, log posterior deviations, advance of the phases.

    The latent after the shift is passed over if it tells the `grains`: it has a chance, but no deviation.
    """
    known = np.delete(std, axes, axis=0) if grains else std
    return np.concatenate([mean[axes + grains :], np.log(known), advance])


def residual_structure(windows: Float32, drawn: Float32) -> float:
    """Give the covariance of neighbouring pixels of the residual ``windows - drawn``, in units of a window's variance.

    ``windows, drawn (n, C, h, w)`` are in units of their standard deviation.
    """
    left = windows - drawn
    neighbours = [(left[..., 1:], left[..., :-1]), (left[..., 1:, :], left[..., :-1, :])]
    return float(np.mean([np.einsum("nchw,nchw->", a, b) / a.size for a, b in neighbours if a.size]))


def _strain_in_words(strain: NDArray[np.float64]) -> str:
    axis, along = np.unravel_index(np.abs(strain).argmax(), strain.shape)
    percent = 100 * float(strain[axis, along])
    names = ("y", "x")[-len(strain) :]
    if axis == along:
        return f"the period along {names[axis]} is {abs(percent):.1f} % {'longer' if percent > 0 else 'shorter'}"
    return f"the lattice is sheared or turned by {abs(percent):.1f} % of its length"
