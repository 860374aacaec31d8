"""First guess for several grains: one motif, seen on the lattice of each.

A lattice has many bases, and only one of them gives the second grain the motif of the first. All are tried: the
coefficients of both grains in the motif's frame are joined, and with the right basis a few components explain them;
with a wrong one, the difference between two motifs is left over. Where the motif itself looks the same under several,
the match is open in principle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shiftvae_rt.array_types import Float64
from shiftvae_rt.fields import turn_between, turn_in_words

from ..lattice.find import Lattice
from ..lattice.grains import Grains, bases_like
from ..lattice.local_fourier import LocalFourier, local_fourier
from ..sampling import clear_of_borders
from .component_signs import component_signs
from .first_guess import FirstGuess, Target, principal_components, unstack
from .motif_frame import harmonic_orders, in_motif_frame, motif_phasors, stack_coefficients

__all__ = ["GrainGuess", "make_grain_guess"]

#: Bases that leave up to this many times the least variance unexplained are equally good.
OPEN = 1.15
#: Stretches of cells that differ by less than this are equal.
STRETCH = 0.03


@dataclass(frozen=True)
class GrainGuess:
    """The guess for frames with several grains.

    Attributes
    ----------
    first
        Motif and components, on the lattice of the first grain.
    targets
        Targets of every frame, for each grain.
    grains
        The matched grains.
    clear
        For every frame, the pixels around which a window lies in one grain.
    words
        How the grains were matched.
    """

    first: FirstGuess
    targets: list[list[Target]]
    grains: Grains
    clear: list[NDArray[np.bool_]]
    words: str

    def targets_at(self, frame: int, y: Float64, x: Float64) -> tuple[Float64, Float64, Float64]:
        """Shift ``(n, 2)`` px, content ``(n, m)``, weight ``(n,)`` of windows of a frame centred at ``y, x (n,)``."""
        labels = self.grains.labels[frame]
        at = tuple(np.clip(np.rint(v).astype(int), 0, n - 1) for v, n in zip((y, x), labels.shape, strict=True))
        label, shift, content = labels[at], np.zeros((len(y), 2)), np.zeros((len(y), len(self.first.components)))
        for k, target in enumerate(self.targets[frame]):
            mine = label == k
            phasor, score = target.at(y[mine], x[mine])
            shift[mine], content[mine] = np.angle(phasor).T @ self.grains.cells[k] / (2 * np.pi), score.T
        return shift, content, (self.clear[frame][at] & (label >= 0)).astype(float)

    def images(self, y: Float64, x: Float64) -> tuple[Float64, Float64]:
        """Mean ``(C, h, w)`` and components ``(m, C, h, w)`` of the motif, at ``y (h,), x (w,)`` px from it."""
        return self.first.images(y, x)


def make_grain_guess(frames: Sequence[Float64], grains: Grains, *, window: tuple[int, int], content: int) -> GrainGuess:
    """Match the grains, and analyse frames on the lattice of each.

    Parameters
    ----------
    frames
        ``(C, H, W)`` each, scaled.
    grains
        Their grains, in any bases.
    window
        ``(height, width)`` px of the model's windows.
    content
        Number of content latents.
    """
    view = _View(frames, grains, window)
    cells, words = _matched(view, grains.cells, content)
    grains = replace(grains, cells=cells)
    samples, motifs = view.samples(list(cells), tuple(range(len(cells))))
    mean, axes, strengths = principal_components(samples, content)
    shape, harmonics = (len(frames[0]), len(view.orders)), view.orders @ np.linalg.inv(cells[0]).T
    axes *= component_signs(unstack(axes, shape), unstack(mean, shape), harmonics, cells[0])[:, None]
    scale = np.maximum(strengths[:content], 1e-9)
    targets: list[list[Target]] = [[] for _ in frames]
    for found, cell in zip(motifs, cells, strict=True):
        for target, local in zip(targets, found, strict=True):
            away = stack_coefficients(local.motif) - mean[:, None, None]
            score = np.tensordot(axes / scale[:, None], away, axes=1)
            target.append(Target(local.phasors, score, local.step, np.linalg.inv(cell).T))
    images = unstack(mean, shape), unstack(axes * scale[:, None], shape)
    first = FirstGuess([target[0] for target in targets], harmonics, *images, strengths)
    return GrainGuess(first, targets, grains, view.clear, words)


def _matched(view: _View, cells: Float64, content: int) -> tuple[Float64, str]:
    """Bases of all lattices with which `content` components explain the motifs best, and in words how sure that is."""
    chosen, words = [cells[0]], []
    for k in range(1, len(cells)):
        trials = []
        for cell in bases_like(cells[0], cells[k]):
            samples, _ = view.samples([cells[0], cell], (0, k))
            singular = np.linalg.svd(samples - samples.mean(axis=0), compute_uv=False)
            trials.append((float((singular[content:] ** 2).sum() / len(samples)), cell))
        least = min(left for left, _ in trials)
        equal = [cell for left, cell in trials if left <= OPEN * least]
        stretches = [_stretch(cells[0], cell) for cell in equal]
        ranks = []
        for stretch, cell in zip(stretches, equal, strict=True):
            turn, mirrored = turn_between(cells[0], cell)
            ranks.append((round((stretch - min(stretches)) / STRETCH), mirrored, abs(turn)))
        chosen.append(equal[ranks.index(min(ranks))])
        turn, mirrored = turn_between(cells[0], chosen[-1])
        said = f"grain {k} is {turn_in_words(turn, mirrored=mirrored)} against grain 0"
        if len(equal) > 1:
            said += (
                f" (open: {len(equal)} ways to match the motifs are equally good, the one that turns least is taken)"
            )
        words.append(said)
    return np.array(chosen), "; ".join(words)


@dataclass(frozen=True)
class _Local:
    """Motif around the points of a grid on one lattice: coefficients, phasors of its place, and px between points."""

    motif: NDArray[np.complex128]
    phasors: NDArray[np.complex128]
    step: tuple[int, int]


class _View:
    """Local Fourier coefficients of frames on several lattices, in the motif's frame.

    Parameters
    ----------
    frames, grains, window
        As for `make_grain_guess`.

    Attributes
    ----------
    orders
        Orders ``(n, 2)`` of the harmonics, the same on each lattice.
    clear
        For every frame, the pixels around which a window lies in one grain and in the frame.
    """

    def __init__(self, frames: Sequence[Float64], grains: Grains, window: tuple[int, int]) -> None:
        self._frames, self._labels = frames, grains.labels
        self.orders = harmonic_orders(Lattice(grains.cells[0], 1.0, "lattice", ""))
        self._sigma = max(0.5 * float(np.hypot(*grains.cells[0].T).max()), max(window) / 4)
        self.clear = [clear_of_borders(each, window) for each in grains.labels]
        self._fields: dict[bytes, list[LocalFourier]] = {}

    def samples(self, cells: list[Float64], labels: tuple[int, ...]) -> tuple[Float64, list[list[_Local]]]:
        """Samples ``(n, 2 C harmonics)`` inside the grains `labels`, and the motif of each on its own of `cells`."""
        fields, count = [self._on(cell) for cell in cells], len(self._frames)
        phasors = motif_phasors([field for each in fields for field in each], self.orders)
        samples, motifs = [], []
        for i, (each, label) in enumerate(zip(fields, labels, strict=True)):
            found = []
            for j, (field, phasor) in enumerate(zip(each, phasors[i * count : (i + 1) * count], strict=True)):
                motif = in_motif_frame(field.coefficients, phasor, self.orders)
                at = tuple(field.places.astype(int))
                samples.append(stack_coefficients(motif)[:, self.clear[j][at] & (self._labels[j][at] == label)].T)
                found.append(_Local(motif, phasor, field.step))
            motifs.append(found)
        return np.concatenate(samples), motifs

    def _on(self, cell: Float64) -> list[LocalFourier]:
        """Coefficients of every frame on one lattice; kept, since many trials share the first."""
        key = cell.tobytes()
        if key not in self._fields:
            harmonics = self.orders @ np.linalg.inv(cell).T
            self._fields[key] = [local_fourier(frame, harmonics, self._sigma) for frame in self._frames]
        return self._fields[key]


def _stretch(first: Float64, second: Float64) -> float:
    """Largest stretch of one cell against the other, as a logarithm."""
    return float(np.abs(np.log(np.linalg.svd(np.linalg.inv(first) @ second, compute_uv=False))).max())
