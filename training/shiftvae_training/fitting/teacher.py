"""The registered first guess as the teacher of a model whose motif turns or differs in size.

For such a motif the evidence lower bound has no way in: before the pose is right the content explains nothing, and
collapses, and an encoder of a few steps is never right enough (docs/decisions/turning-motifs.md). The registered guess
knows pose and content of every feature, so the encoder learns them from it, at any angle, and the decoder learns to
draw the windows at the pose and content of the guess. The rounds of the model reach the guess from what the encoder
gives, on any scan.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..guess.feature_guess import FeatureGuess
from ..model.pose import Posterior
from ..model.shift_vae import ShiftVAE
from ..sampling import Tiles
from ..turning import turn_vectors

__all__ = ["Targets", "Teacher", "information", "shows_motif"]

#: Weights of the squared distances from the guess, nats: of the shift in units of its prior, of the chord of the angle
#: or the size in units of its prior, and of the content. A px, 9 degrees and 2 % of the size weigh about the same.
SHIFT, ANGLE, SIZE, CONTENT = 5000.0, 3000.0, 1000.0, 50.0
#: A window shows the motif well if the deviation of its position is at most this many times the median.
MOST_UNSURE = 2.0


@dataclass(frozen=True)
class Targets:
    """Latents that the guess gives for windows.

    Attributes
    ----------
    latents
        ``(N, w, L)`` as reported: px, degrees, per cent, content.
    weight
        ``(N, w)``: 1 for a window with a feature near its centre, else 0.
    """

    latents: Tensor
    weight: Tensor


class Teacher:
    """Targets of the windows of tiles, and distances from them.

    Parameters
    ----------
    model
        Model that takes rounds.
    guess
        Features of its frames.
    """

    def __init__(self, model: ShiftVAE, guess: FeatureGuess) -> None:
        self._model, self._guess = model, guess

    def targets(self, tiles: Tiles) -> Targets:
        """Targets of all windows of `tiles`."""
        centres = tiles.window_centres(self._model.window)
        places = [(int(f), *centre.T) for f, centre in zip(tiles.frame, centres, strict=True)]
        shift, content, weight = (
            np.stack(part) for part in zip(*(self._guess.targets_at(*place) for place in places), strict=True)
        )
        pose = np.stack([self._guess.target_poses_at(*place) for place in places])
        if tiles.turn is not None:
            shift = turn_vectors(shift, tiles.turn)
            pose[..., 0] += tiles.turn[:, None]
        reported = {"rotation": np.degrees(pose[..., 0]), "scale": 100 * np.expm1(pose[..., 1])}
        further = [reported[latent.kind][..., None] for latent in self._model.further]
        latents = np.concatenate([shift, *further, content], axis=-1)
        return Targets(torch.from_numpy(latents).float(), torch.from_numpy(weight).float())

    def distance(self, posterior: Posterior, targets: Targets) -> Tensor:
        """Weighted squared distance of the posterior means ``(N, w, ...)`` from the targets, nats, averaged."""
        model, latents = self._model, targets.latents
        off = SHIFT * model.shift.distance(posterior.code, latents[..., :2])
        for index, (latent, code) in enumerate(zip(model.further, posterior.further, strict=True), 2):
            weight = ANGLE if latent.kind == "rotation" else SIZE
            off = off + weight * latent.distance(code, latent.at(latents[..., index]))
        off = off + CONTENT * (posterior.mean - latents[..., model.first_content :]).square().sum(-1)
        return (targets.weight * off).mean()


def information(model: ShiftVAE, mean: Tensor, sd: Tensor) -> Tensor:
    """Information ``(L,)`` in nats of reported latents ``(n, L)`` with deviations ``sd (n, L)``, never negative.

    A position and an angle are compared with a uniform prior, a size and a content with their own spread over the
    windows: of what does not vary, errors are all the spread there is.
    """
    whole = math.sqrt(2 * math.pi * math.e)  # a uniform prior is as wide as this many deviations of a normal one
    typical, spread = sd.median(0).values, mean.std(0)
    prior = spread.clone()
    prior[:2] = 2 * float(model.shift.reach[1]) / whole
    for index, latent in enumerate(model.further, 2):
        if latent.period is not None:
            prior[index] = latent.period / whole
    return (prior / typical.clamp(min=1e-9)).clamp(min=1.0).log()


def shows_motif(sd: Tensor) -> Tensor:
    """Mask ``(n,)`` of windows, by their deviations ``sd (n, L)`` from the rounds, that show the motif well."""
    return sd[:, 0] <= MOST_UNSURE * sd[:, 0].median()
