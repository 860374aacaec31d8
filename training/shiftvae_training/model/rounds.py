"""Rounds that improve the latents of a motif that turns or differs in size, after the encoder.

An encoder has to know a motif at every angle and every size, so its latents are rough. A round looks at the window from
the motif: it samples the window in the motif's frame, where every motif looks the same but for its content, and takes
one Gauss-Newton step of the decoder, which there is a multiplication by a constant matrix. Points of the motif that lie
beyond the window have no weight, so that the fixed point is the least-squares fit to what the window shows. Where the
motif is not seen no step is taken, and the deviations are as large as if the whole window were noise. Source of the
constant matrix: inverse compositional alignment, Baker, Matthews, Int. J. Comput. Vision 56 (2004) 221.

The same arithmetic runs in `graphs.rounds_graph` and in the runtime's C++ core.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name that torch users read

from shiftvae_rt.kernels.rounds import (
    LEAST_GAIN,
    LEAST_SHARE,
    MOST_CONTENT,
    MOST_STEP,
    ROUNDS,
    SEEN,
    SIZES,
)

from .decoder import Decoder

__all__ = ["Rounds", "images_of_content", "make_rounds"]

#: Radius of the disc on which a motif is compared, as a share of the window: at any angle it lies within.
DISC = 0.475


@dataclass(frozen=True)
class Rounds:
    """Constants of the rounds: p points in the motif's frame, and the motif there.

    Attributes
    ----------
    points
        ``(2, p)`` px (y, x) from the motif.
    mean, components
        ``(C, p)`` the motif, and ``(m, C, p)`` its change for a unit of each content latent; both of mean 0.
    inverse
        ``(L, C, p)``: least-squares steps of the latents for a residual: px in the motif's frame, rad, logarithm of
        the size, content.
    deviation
        ``(L,)`` standard deviations of these for a residual of variance 1, times the calibration.
    window
        ``(height, width)`` px.
    period
        Period of the rotation, degrees; 0 without rotation.
    grows
        Whether the motif has a size.
    """

    points: Tensor
    mean: Tensor
    components: Tensor
    inverse: Tensor
    deviation: Tensor
    window: tuple[int, int]
    period: float
    grows: bool

    @property
    def first_content(self) -> int:
        """Number of latents before the content."""
        return 2 + bool(self.period) + self.grows

    def widened(self, columns: list[int], factor: float) -> Rounds:
        """Rounds whose deviations of the latents `columns` are multiplied by `factor`."""
        deviation = self.deviation.clone()
        deviation[columns] *= factor
        return replace(self, deviation=deviation)

    def __call__(self, windows: Tensor, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Improve latents.

        Parameters
        ----------
        windows
            ``(n, C, h, w)``, of mean 0 and standard deviation 1, or 0 everywhere.
        latents
            ``(n, L)`` reported latents of these windows, from the encoder: px, degrees, per cent, content.

        Returns
        -------
        tuple of Tensor
            Reported latents and their standard deviations, ``(n, L)`` each.
        """
        size, turn = 2 + bool(self.period), 2
        state = latents.clone()
        if self.period:
            state[:, turn] = torch.deg2rad(state[:, turn])
        if self.grows:
            state[:, size] = 1 + state[:, size] / 100
        spread = torch.zeros_like(state[:, :1])
        for _ in range(ROUNDS):
            residual, gain, explained, share = self._compare(windows, state)
            trust = ((explained - SEEN[0]) / (SEEN[1] - SEEN[0])).clamp(0, 1)
            noise = residual.square().sum((1, 2)) / (len(self.mean) * len(self.points[0]) * share) + 1 - trust
            spread = (noise.sqrt() / (gain * share))[:, None]
            step = torch.einsum("ncp,lcp->nl", residual, self.inverse) / gain[:, None]
            state = self._moved(state, step * trust[:, None])
        if self.period:
            state[:, turn] = torch.rad2deg(state[:, turn])
            state[:, turn] -= self.period * torch.round(state[:, turn] / self.period)
        sd = self.deviation * spread
        if self.period:
            sd[:, turn] = torch.rad2deg(sd[:, turn])
        if self.grows:
            sd[:, size] = 100 * sd[:, size] * state[:, size]
            state[:, size] = 100 * (state[:, size] - 1)
        return state, sd

    def _compare(self, windows: Tensor, state: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Weighted residual ``(n, C, p)``; contrast, explained share of the variance and share seen, ``(n,)`` each."""
        y, x = self._in_window(self.points[:1], self.points[1:], state)
        y, x = y + state[:, :1], x + state[:, 1:2]
        half_y, half_x = ((n - 1) / 2 for n in self.window)
        weight = (half_y + 0.5 - y.abs()).clamp(0, 1) * (half_x + 0.5 - x.abs()).clamp(0, 1)
        grid = torch.stack([x / half_x, y / half_y], -1)[:, None]
        value = F.grid_sample(windows, grid, align_corners=True, padding_mode="border")[:, :, 0]
        drawn = self.mean + torch.einsum("nm,mcp->ncp", state[:, self.first_content :], self.components)
        total, weight = weight.sum(1), weight[:, None]
        enough = total.clamp(min=1.0)[:, None, None]
        value = value - (weight * value).sum(2, keepdim=True) / enough
        drawn = drawn - (weight * drawn).sum(2, keepdim=True) / enough
        across, square, power = (
            (weight * one * other).sum((1, 2)) for one, other in ((value, drawn), (drawn, drawn), (value, value))
        )
        gain = across / square.clamp(min=1e-6)
        residual = weight * (value - gain[:, None, None] * drawn)
        explained = gain * across / power.clamp(min=1e-6) * (gain > 0)
        share = (total / len(self.points[0])).clamp(min=LEAST_SHARE)
        return residual, gain.clamp(min=LEAST_GAIN), explained, share

    def _moved(self, state: Tensor, step: Tensor) -> Tensor:
        """State after `step`, in which the position is in the motif's frame; both are bounded."""
        most = [MOST_STEP[0]] * 2 + [MOST_STEP[1]] * bool(self.period) + [MOST_STEP[2]] * self.grows
        most += [MOST_STEP[3]] * len(self.components)
        bound = torch.tensor(most)
        step = torch.maximum(torch.minimum(step, bound), -bound)
        y, x = self._in_window(step[:, :1], step[:, 1:2], state)
        half_y, half_x = ((n - 1) / 2 for n in self.window)
        parts = [
            (state[:, :1] + y).clamp(-half_y, half_y),
            (state[:, 1:2] + x).clamp(-half_x, half_x),
        ]
        at = 2
        if self.period:
            parts.append(state[:, at : at + 1] + step[:, at : at + 1])
            at += 1
        if self.grows:
            parts.append((state[:, at : at + 1] * step[:, at : at + 1].exp()).clamp(*SIZES))
            at += 1
        parts.append((state[:, at:] + step[:, at:]).clamp(-MOST_CONTENT, MOST_CONTENT))
        return torch.cat(parts, 1)

    def _in_window(self, y: Tensor, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors ``(n, k)`` of the motif's frame in the window's: turned and scaled as the motif."""
        at = 2
        if self.period:
            cosine, sine = state[:, at : at + 1].cos(), state[:, at : at + 1].sin()
            y, x = y * cosine - x * sine, x * cosine + y * sine
            at += 1
        if self.grows:
            y, x = y * state[:, at : at + 1], x * state[:, at : at + 1]
        return y, x


def images_of_content(decoder: Decoder, content: int) -> Tensor:
    """Images ``(1 + m, C, H, W)`` of a decoder: the template at content 0, and half its change from -1 to 1 of each."""
    steps = torch.eye(content)
    drawn = decoder.template(torch.cat([torch.zeros(1, content), steps, -steps]))
    return torch.cat([drawn[:1], (drawn[1 : 1 + content] - drawn[1 + content :]) / 2])


def make_rounds(
    window: tuple[int, int], places: tuple[Tensor, Tensor], images: Tensor, *, fold: int, grows: bool
) -> Rounds:
    """Rounds for a motif that a decoder draws.

    Parameters
    ----------
    window
        ``(height, width)`` px.
    places
        Positions y ``(H,)`` and x ``(W,)`` of the images' pixels from the motif, px, one px apart.
    images
        ``(1 + m, C, H, W)``: the motif, and its change for a unit of each content latent.
    fold, grows
        Rotational symmetry, 0 without rotation; and whether the motif has a size.
    """
    down, right = torch.meshgrid(*(p.to(images.dtype) for p in places), indexing="ij")
    along_y, along_x = torch.gradient(images[0], dim=(1, 2))
    tangents = [along_y, along_x]
    if fold:
        tangents.append(along_x * down - along_y * right)
    if grows:
        tangents.append(along_x * right + along_y * down)
    disc = torch.hypot(down / window[0], right / window[1]) <= DISC
    every = torch.cat([images, torch.stack(tangents)])[..., disc].double()
    every = every - every.mean(-1, keepdim=True)
    mean, components = every[0], every[1 : len(images)]
    basis = torch.cat([mean[None], every[len(images) :], components]).flatten(1)
    normal = torch.linalg.pinv(basis @ basis.T, hermitian=True)
    inverse = (normal @ basis)[1:].view(-1, *mean.shape)
    inverse[: len(tangents)] *= -1  # samples that show the motif moved by d were taken d too early
    points = torch.stack([down[disc], right[disc]])
    deviation = normal.diagonal()[1:].clamp(min=0).sqrt()
    return Rounds(
        points.float(),
        mean.float(),
        components.float(),
        inverse.float(),
        deviation.float(),
        window,
        period=360 / fold if fold else 0.0,
        grows=grows,
    )
