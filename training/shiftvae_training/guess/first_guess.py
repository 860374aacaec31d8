"""First guess of shift and content from the harmonics of the lattice, before any network is trained.

Around every point the image is a Fourier series on the reciprocal lattice with slowly varying coefficients.
Demodulating each harmonic under a Gaussian of about half a period gives these local coefficients. The phases of two of
them give a first position of the motif (geometric phase analysis); with that phase removed, all coefficients together
describe the motif in its own frame. Least squares then fit the position to the mean motif. The principal components of
what is neither a move nor a change of contrast are the slow variations, strongest first.

A shift-VAE trained from random weights falls into local minima (the position is encoded in the content, or the phase
winds the wrong way); guided by this guess in its first steps it did not, on any seed (docs/decisions/first-guess.md).
Source of the phases: Hytch, Snoeck, Kilaas, Ultramicroscopy 74 (1998) 131.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from shiftvae_rt.array_types import Float64

from ..lattice.find import Lattice
from ..lattice.local_fourier import local_fourier
from ..sampling import shown_around
from ..scans import has_contrast
from .component_signs import component_signs
from .motif_frame import (
    SIGMA_OF_ORDER,
    harmonic_orders,
    in_motif_frame,
    motif_phasors,
    stack_coefficients,
)
from .order_guess import OrderGuess, make_order_guess, without_satellites

__all__ = ["FirstGuess", "Guess", "Target", "make_first_guess", "principal_components", "unstack"]

Complex = NDArray[np.complex128]

#: Rounds of least squares that fit the position to the mean motif, and the largest move of one, px.
ROUNDS, MOST_MOVE = 4, 1.0


class Guess(Protocol):
    """Targets that guide the first steps of a training."""

    def targets_at(self, frame: int, y: Float64, x: Float64) -> tuple[Float64, Float64, Float64]:
        """Shift ``(n, 2)`` px, content ``(n, m)``, weight ``(n,)`` of windows of a frame centred at ``y, x (n,)``."""

    def images(self, y: Float64, x: Float64) -> tuple[Float64, Float64]:
        """Mean ``(C, h, w)`` and components ``(m, C, h, w)`` of the motif, at ``y (h,), x (w,)`` px from it.

        Both are in units of a window's standard deviation.
        """


@dataclass(frozen=True)
class Target:
    """Targets on a coarse grid over one frame.

    Attributes
    ----------
    turned
        ``(k, rows, cols)``: exp(2 pi i g_k . R) for the motif position R near each point. It varies slowly, unlike the
        phase at the point itself.
    content
        ``(m, rows, cols)``.
    step
        px between grid points, (y, x).
    reciprocal
        ``(k, 2)`` reciprocal vectors g_k, cycles per px.
    """

    turned: Complex
    content: Float64
    step: tuple[int, int]
    reciprocal: Float64

    def at(self, y: Float64, x: Float64) -> tuple[Complex, Float64]:
        """Phasors exp(2 pi i g_k . s) ``(k, n)`` and content ``(m, n)`` of windows centred at ``y, x (n,)`` px."""
        rows, cols = self.content.shape[1:]
        i, j = y / self.step[0], x / self.step[1]
        i0, j0 = np.clip(i.astype(int), 0, max(rows - 2, 0)), np.clip(j.astype(int), 0, max(cols - 2, 0))
        i1, j1 = np.minimum(i0 + 1, rows - 1), np.minimum(j0 + 1, cols - 1)
        u, v = np.clip(i - i0, 0, 1), np.clip(j - j0, 0, 1)

        def blend(a: NDArray[Any]) -> NDArray[Any]:
            top = a[:, i0, j0] * (1 - v) + a[:, i0, j1] * v
            return np.asarray(top * (1 - u) + (a[:, i1, j0] * (1 - v) + a[:, i1, j1] * v) * u)

        here = np.exp(-2j * np.pi * (self.reciprocal[:, :1] * y + self.reciprocal[:, 1:] * x))
        phasor = blend(self.turned) * here
        return phasor / np.maximum(np.abs(phasor), 1e-12), blend(self.content)


@dataclass(frozen=True)
class FirstGuess:
    """The guess for a set of frames.

    Attributes
    ----------
    targets
        Targets of every frame.
    harmonics
        ``(n, 2)`` reciprocal vectors in cycles per px.
    mean, components
        Fourier coefficients of the mean motif ``(C, n)`` and of a unit step of each content latent ``(m, C, n)``, in
        units of the window's standard deviation.
    strengths
        Standard deviations of the leading components over the frames, including more than are used: how fast they fall
        shows how many slow variations there are.
    order
        Guess of the order latents; None for a lattice without superlattice vectors.
    """

    targets: list[Target]
    harmonics: Float64
    mean: Complex
    components: Complex
    strengths: Float64
    order: OrderGuess | None = None

    def targets_at(self, frame: int, y: Float64, x: Float64) -> tuple[Float64, Float64, Float64]:
        """Shift ``(n, 2)`` px, content ``(n, m)``, weight ``(n,)`` of windows of a frame centred at ``y, x (n,)``."""
        phasor, content = self.targets[frame].at(y, x)
        vectors = np.linalg.pinv(self.targets[frame].reciprocal).T
        return np.angle(phasor).T @ vectors / (2 * np.pi), content.T, np.ones(len(y))

    def images(self, y: Float64, x: Float64) -> tuple[Float64, Float64]:
        """Mean ``(C, h, w)`` and components ``(m, C, h, w)`` of the motif, at ``y (h,), x (w,)`` px from it."""
        return self.draw(self.mean, y, x), self.draw(self.components, y, x)

    def draw(self, coefficients: Complex, u_y: Float64, u_x: Float64) -> Float64:
        """Images ``(..., C, len(u_y), len(u_x))`` of coefficients ``(..., C, n)`` at `u_y`, `u_x` px from the motif."""
        wave = np.exp(
            2j * np.pi * (self.harmonics[:, 0, None, None] * u_y[:, None] + self.harmonics[:, 1, None, None] * u_x)
        )
        return np.asarray(2 * np.tensordot(coefficients, wave, axes=1).real)


def make_first_guess(
    frames: Sequence[Float64], lattice: Lattice, *, window: tuple[int, int], content: int
) -> FirstGuess:
    """Analyse frames on their lattice.

    Parameters
    ----------
    frames
        ``(C, H, W)`` each, raw or scaled.
    lattice
        Their lattice, of one or two vectors.
    window
        ``(height, width)`` px of the model's windows.
    content
        Number of content latents.
    """
    orders = harmonic_orders(lattice)
    harmonics = orders @ lattice.reciprocal
    sigma = max(0.5 * float(lattice.period_px.max()), SIGMA_OF_ORDER * lattice.longest_px, max(window) / 4)
    fields = [local_fourier(without_satellites(frame, lattice), harmonics, sigma) for frame in frames]
    turned = motif_phasors(fields, orders)
    inside = [
        _inner(field.places, frame.shape, window, lattice.where) & has_contrast(frame)
        for field, frame in zip(fields, frames, strict=True)
    ]
    shape = (len(frames[0]), len(harmonics))
    own: Sequence[Float64] = ()
    for _ in range(ROUNDS):
        motifs = [
            stack_coefficients(in_motif_frame(f.coefficients, t, orders)) for f, t in zip(fields, turned, strict=True)
        ]
        samples = np.concatenate([m[:, here].T for m, here in zip(motifs, inside, strict=True)])
        changes = _shared_changes(unstack(samples.mean(axis=0), shape), harmonics)
        own, amounts = zip(*(_without(motif, changes) for motif in motifs), strict=True)
        turned = [_moved(t, a[1:], lattice) for t, a in zip(turned, amounts, strict=True)]
    samples = np.concatenate([m[:, here].T for m, here in zip(own, inside, strict=True)])
    mean, axes, strengths = principal_components(samples, content)
    axes *= component_signs(unstack(axes, shape), unstack(mean, shape), harmonics, lattice.vectors)[:, None]
    scale = np.maximum(strengths[:content], 1e-9)
    targets = [
        Target(
            phasor,
            np.tensordot(axes / scale[:, None], part - mean[:, None, None], axes=1),
            field.step,
            lattice.reciprocal,
        )
        for phasor, part, field in zip(turned, own, fields, strict=True)
    ]
    order = None
    if len(lattice.superlattice):
        order = make_order_guess(frames, lattice, phasors=turned, inside=inside, sigma=sigma)
    components = unstack(axes * scale[:, None], shape)
    return FirstGuess(targets, harmonics, unstack(mean, shape), components, strengths, order)


def _shared_changes(mean: Complex, harmonics: Float64) -> Float64:
    """Changes that all columns of the motif share, ``(2 C n, 3)``: a step of contrast, and moves of 1 px along y and x.

    A window's deviation and its shift describe them, so they are no content; and they carry the noise of the two phases
    from which the position was taken.
    """
    return np.stack([stack_coefficients(mean * step) for step in (1.0, *(-2j * np.pi * harmonics.T))], axis=1)


def _moved(phasors: Complex, moves: Float64, lattice: Lattice) -> Complex:
    """Phasors ``(k, rows, cols)`` of motifs that lie ``moves (2, rows, cols)`` px further along y and x."""
    turns = np.tensordot(lattice.reciprocal, np.clip(moves, -MOST_MOVE, MOST_MOVE), axes=1)
    return np.asarray(phasors * np.exp(2j * np.pi * turns))


def _without(values: Float64, changes: Float64) -> tuple[Float64, Float64]:
    """Coefficients ``values (2 C n, ...)`` without `changes`, by least squares from their mean; and the amounts."""
    mean = changes[:, 0].reshape(-1, *[1] * (values.ndim - 1))
    amounts = np.tensordot(np.linalg.pinv(changes), values - mean, axes=1)
    return values - np.tensordot(changes, amounts, axes=1), amounts


def _inner(
    places: Float64, shape: tuple[int, ...], window: tuple[int, int], where: NDArray[np.bool_] | None
) -> NDArray[np.bool_]:
    """Mask ``(rows, cols)`` of the points around which a window fits into the frame and shows the lattice."""
    inside = np.ones(places.shape[1:], bool)
    for axis in (0, 1):
        half = (window[axis] - 1) / 2
        inside &= (places[axis] >= half) & (places[axis] <= shape[1 + axis] - 1 - half)
    if where is not None:
        inside &= shown_around(where, window)[tuple(places.astype(int))]
    return inside


def principal_components(samples: Float64, content: int) -> tuple[Float64, Float64, Float64]:
    """Mean ``(d,)`` of ``samples (n, d)``, `content` principal axes ``(m, d)``, and deviations along a few more."""
    mean = samples.mean(axis=0)
    _, singular, axes = np.linalg.svd(samples - mean, full_matrices=False)
    strengths = singular / np.sqrt(max(1, len(samples)))
    missing = max(0, content - len(axes))
    axes = np.concatenate([axes[:content], np.zeros((missing, samples.shape[1]))])
    return mean, axes, np.concatenate([strengths[: content + 8], np.zeros(missing)])


def unstack(values: Float64, shape: tuple[int, int]) -> Complex:
    """Coefficients ``(..., C, n)`` of `shape` ``(C, n)`` from ``values (..., 2 C n)`` of `stack_coefficients`."""
    half = values.shape[-1] // 2
    return np.asarray((values[..., :half] + 1j * values[..., half:]).reshape(*values.shape[:-1], *shape))
