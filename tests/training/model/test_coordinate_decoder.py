"""The coordinate decoder starts from the first guess: a motif of several columns, and one of them that moves."""

from __future__ import annotations

import math

import torch

from shiftvae_training.model.coordinate_decoder import CoordinateDecoder
from shiftvae_training.model.decoder import Margins

PERIOD = 16.0


def lattice(y: torch.Tensor, x: torch.Tensor, moved: float = 0.0) -> torch.Tensor:
    """Round columns on a square lattice, ``(1, H, W)``, moved along x by the given px."""
    along_y, along_x = (torch.exp(4 * (torch.cos(2 * math.pi * v / PERIOD) - 1)) for v in (y, x - moved))
    return (along_y[:, None] * along_x)[None]


def test_the_regression_learns_the_motif_and_what_varies():
    torch.manual_seed(0)
    decoder = CoordinateDecoder((24, 24), 1, 1, Margins((24, 24), (8.0, 8.0)))
    y, x = decoder.places()
    mean, component = lattice(y, x), lattice(y, x, 1.0) - lattice(y, x, -1.0)
    mean, component = (mean - mean.mean()) / mean.std(), 0.4 * component / component.std()
    decoder.start_from(mean[None], component[None, None])
    with torch.no_grad():
        middle, up, down = decoder.template(torch.tensor([[0.0], [1.0], [-1.0]]))
    assert (middle - mean).var() < 0.1 * mean.var()
    assert ((up - down) / 2 - component).var() < 0.25 * component.var()
