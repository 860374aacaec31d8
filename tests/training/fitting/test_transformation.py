"""A tile that is turned or zoomed by a known amount must be reported turned or zoomed by that much more."""

from __future__ import annotations

import pytest
import torch
from random_models import counts, random_model

from shiftvae_training.fitting.transformation import transformation_mismatch
from shiftvae_training.model.posterior import Posterior
from shiftvae_training.model.rotation import Rotation
from shiftvae_training.model.scale import Scale
from shiftvae_training.model.shift import PlanarShift
from shiftvae_training.model.shift_vae import Member

WINDOW = (25, 25)


class Ruler:
    """In place of a model: reads position, turn and size off two blobs, one in each channel."""

    def __init__(self, mistake=None):
        self.window, self.shift, self.mistake = WINDOW, PlanarShift(2, 12.0), mistake
        self.further = (Rotation(1), Scale(0.1))

    def windows(self, frame, stride):
        return frame, torch.ones(1)

    def encode(self, frame, sd, stride):
        weight = (frame - frame.amin((2, 3), keepdim=True)).square()
        weight = weight / weight.sum((2, 3), keepdim=True)
        y, x = (torch.arange(n) - (n - 1) / 2 for n in WINDOW)
        place = torch.stack([(weight.sum(3) * y).sum(2), (weight.sum(2) * x).sum(2)], -1)  # (N, channel, 2)
        arm = place[:, 1] - place[:, 0]
        angle = torch.atan2(-arm[:, 0], arm[:, 1])
        if self.mistake == "clockwise":
            angle = -angle
        size = torch.log(arm.norm(dim=1) / 5)
        if self.mistake == "smaller":
            size = -size
        where = place[:, 0] if self.mistake != "elsewhere" else place[:, 0].flip(-1)
        u = torch.atanh(where / self.shift.reach_px) * self.shift.reach_px / self.shift.width_px
        code = torch.cat([u, torch.zeros_like(u)], -1)
        turn = torch.stack([angle.cos(), angle.sin(), torch.zeros_like(angle)], -1)
        further = (turn, torch.stack([size / 0.1, torch.zeros_like(size)], -1))
        return Posterior(code, angle[:, None] * 0, angle[:, None] * 0, further).each(lambda part: part[:, None, None])


def two_blobs(count=20) -> torch.Tensor:
    """One in each channel, 5 px apart: ``(count, 2, 25, 25)``, as tiles that are one window."""
    torch.manual_seed(1)
    y, x = (torch.arange(n) - (n - 1) / 2 for n in WINDOW)
    angle, place = 6.3 * torch.rand(count), 2 * torch.rand(count, 2) - 1
    tip = place + 5 * torch.stack([-angle.sin(), angle.cos()], 1)
    return torch.stack(
        [torch.exp(-((y[:, None] - c[:, :1, None]) ** 2 + (x - c[:, 1:, None]) ** 2) / 6) for c in (place, tip)],
        dim=1,
    )


@pytest.mark.parametrize("mistake", [None, "clockwise", "smaller", "elsewhere"])
@torch.no_grad()
def test_what_is_measured_rightly_does_not_violate_and_mistakes_do(mistake):
    ruler, tiles = Ruler(mistake), two_blobs()
    off = float(transformation_mismatch(ruler, tiles, ruler.encode(tiles, None, 1), 4))
    assert off < 2e-3 if mistake is None else off > 2e-2


def test_it_has_a_gradient_in_every_weight_of_the_encoder():
    model = random_model(shift=PlanarShift(2, 6.0), member=Member((Rotation(2), Scale(0.1))))
    tiles = torch.from_numpy(counts((1, 28, 28)))[None].repeat(3, 1, 1, 1) * model.channel_scale[0]
    tiles = tiles - tiles.mean(dim=(-1, -2), keepdim=True)
    _, sd = model.windows(tiles, 4)
    transformation_mismatch(model, tiles, model.encode(tiles, sd, 4), 4).backward()
    for name, parameter in model.encoder.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_a_window_that_is_not_turned_is_itself(monkeypatch):
    model = random_model(shift=PlanarShift(2, 6.0), member=Member((Rotation(2),)))
    tiles = torch.from_numpy(counts((1, 28, 28)))[None] * model.channel_scale[0]
    tiles = tiles - tiles.mean(dim=(-1, -2), keepdim=True)
    _, sd = model.windows(tiles, 4)
    monkeypatch.setattr(torch, "randint", lambda most, shape: torch.zeros(shape))
    with torch.no_grad():
        assert float(transformation_mismatch(model, tiles, model.encode(tiles, sd, 4), 4)) < 1e-4
