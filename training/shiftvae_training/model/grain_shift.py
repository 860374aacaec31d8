"""The shift on the torus of one of several lattices: those of the grains of one crystal."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name that torch users read

from ..noise import noise_like
from .shift import Shift, TorusShift

__all__ = ["GrainShift", "grain_codes"]

#: Score that stands for a known label; all others are 0.
KNOWN = 30.0


@dataclass(frozen=True)
class GrainShift(TorusShift):
    """A phase for both vectors of the lattice of the window's own grain.

    The raw code is ``[scores, cosines, sines, log widths]``: a score for each of the K grains and one for none of them,
    then as for `TorusShift`. Windows without a grain are taken for ones of the first.

    Parameters
    ----------
    cells
        ``(K, 2, 2)`` vectors of each lattice, px (y, x); `vectors` are those of the first.
    """

    cells: Tensor

    @classmethod
    def of(cls, cells: Tensor) -> GrainShift:
        """Shift on the lattices ``cells (K, 2, 2)``."""
        return cls(cells[0], cells)

    @property
    def scores(self) -> int:
        """Number of scores in a code."""
        return len(self.cells) + 1

    @property
    def size(self) -> int:
        """Number of raw outputs per window."""
        return self.scores + 3 * len(self.vectors)

    @property
    def reach(self) -> tuple[float, float]:
        """Largest shift along y and x, px."""
        half = self.cells.abs().sum(1).max(0).values / 2
        return float(half[0]), float(half[1])

    @property
    def to_first(self) -> Tensor:
        """Matrices ``(K, 2, 2)`` from displacements (y, x) in each grain to those in the first, that of the motif."""
        matrices: Tensor = torch.linalg.inv(self.cells) @ self.vectors
        return matrices

    def label(self, code: Tensor) -> Tensor:
        """Grain ``(...)`` int64 with the highest score; -1 for none."""
        best: Tensor = code[..., : self.scores].argmax(-1)
        return torch.where(best == len(self.cells), -1, best)

    def chance(self, code: Tensor) -> Tensor:
        """Chance ``(...)`` that the label is wrong."""
        return 1 - code[..., : self.scores].softmax(-1).max(-1).values

    def information(self, code: Tensor) -> float:
        """Entropy of the labels of windows with ``code (..., size)``, nats."""
        share = F.one_hot(self.label(code) + 1).flatten(0, -2).float().mean(0)
        return float(torch.special.entr(share).sum())

    def label_loss(self, code: Tensor, label: Tensor) -> Tensor:
        """Cross entropy ``(...)``, nats, of the scores under the known ``label (...)``, -1 for none."""
        scores = code[..., : self.scores]
        wanted = torch.where(label < 0, len(self.cells), label)
        return F.cross_entropy(scores.flatten(0, -2), wanted.flatten(), reduction="none").view(label.shape)

    def with_label(self, code: Tensor, label: Tensor) -> Tensor:
        """Copy of the code with scores that say `label` for certain."""
        wanted = torch.where(label < 0, len(self.cells), label)
        scores = KNOWN * F.one_hot(wanted, self.scores).to(code.dtype)
        return torch.cat([scores, code[..., self.scores :]], dim=-1)

    def linear(self, code: Tensor) -> Tensor:
        """Matrices ``(..., 2, 2)`` that bring a row (y, x) in px from the window to the template of the motif."""
        return self.to_first[self._lattice(code)]

    def mean_px(self, code: Tensor) -> Tensor:
        """Shift ``(..., 2)`` px of the mean phase, within half a cell of the centre."""
        cosine, sine, _ = self._split(code)
        return self._in_px(torch.atan2(sine, cosine), code)

    def sample_px(self, code: Tensor) -> Tensor:
        """Shift ``(..., 2)`` px of a sampled phase, wrapped into the cell."""
        cosine, sine, log_width = self._split(code)
        phase = torch.atan2(sine, cosine) + log_width.exp() * noise_like(sine)
        return self._in_px(torch.remainder(phase + math.pi, 2 * math.pi) - math.pi, code)

    def std_px(self, code: Tensor) -> Tensor:
        """Posterior standard deviation ``(..., 2)`` in px, from independent widths of the phases."""
        _, _, log_width = self._split(code)
        squares = (self.cells / (2 * math.pi)).square()[self._lattice(code)]
        return ((2 * log_width).exp()[..., None, :] @ squares)[..., 0, :].sqrt()

    def wrap_px(self, shift: Tensor, code: Tensor | None = None) -> Tensor:
        """Reduce shifts ``(..., 2)`` px to the cell of the grain of `code`; without a code, to that of the first."""
        if code is None:
            return super().wrap_px(shift)
        cells = self.cells[self._lattice(code)]
        turns = shift[..., None, :] @ torch.linalg.inv(self.cells)[self._lattice(code)]
        return shift - (torch.round(turns) @ cells)[..., 0, :]

    def offset_px(self, offset: Tensor, code: Tensor) -> Tensor:
        """Offset ``(..., 2)`` px in the template as one in the window's grain."""
        turned = torch.linalg.inv(self.to_first)[self._lattice(code)]
        placed: Tensor = (offset[..., None, :] @ turned)[..., 0, :]
        return placed

    def _turns(self, displacement: Tensor, code: Tensor) -> Tensor:
        """Cells ``(..., 2)`` of the window's grain in ``displacement (..., 2)`` px."""
        cells: Tensor = (displacement[..., None, :] @ torch.linalg.inv(self.cells)[self._lattice(code)])[..., 0, :]
        return cells

    def _lattice(self, code: Tensor) -> Tensor:
        return self.label(code).clamp(min=0)

    def _in_px(self, phase: Tensor, code: Tensor) -> Tensor:
        return (phase[..., None, :] @ self.cells[self._lattice(code)])[..., 0, :] / (2 * math.pi)

    def _split(self, code: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return super()._split(code[..., self.scores :])


def grain_codes(shift: Shift, latents: Tensor) -> Tensor:
    """Raw codes of a shift that tell the grains of reported ``latents (n, L)`` in images, and nothing else."""
    codes = torch.zeros(len(latents), shift.size)
    return shift.with_label(codes, latents[:, 2].long()) if isinstance(shift, GrainShift) else codes
