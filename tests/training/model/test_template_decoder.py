"""The template decoder crops its template where the shift says, turned and zoomed where the model has that."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from shiftvae_training.model.decoder import Margins
from shiftvae_training.model.pose import Pose
from shiftvae_training.model.template_decoder import TemplateDecoder


def decoder(window=(6, 7), content=2, channels=2, reach=(2.5, 3.0)) -> TemplateDecoder:
    torch.manual_seed(0)
    made = TemplateDecoder(window, channels, content, Margins(window, reach))
    with torch.no_grad():
        for images in (made.mean, made.linear, made.bend):
            images.normal_()
    return made


def crop(template: np.ndarray, window, margin, shift) -> np.ndarray:
    """The slow twin: bilinear interpolation pixel by pixel."""
    out = np.zeros((template.shape[0], *window))
    for i, j in np.ndindex(*window):
        y, x = i + margin[0] - shift[0], j + margin[1] - shift[1]
        for row in range(template.shape[1]):
            for col in range(template.shape[2]):
                out[:, i, j] += template[:, row, col] * max(0, 1 - abs(y - row)) * max(0, 1 - abs(x - col))
    return out


@torch.no_grad()
@pytest.mark.parametrize("shift", [(0.0, 0.0), (1.0, -2.0), (0.3, 2.9), (-2.5, -3.0), (2.5, 0.75)], ids=str)
def test_the_window_is_the_template_cropped_at_the_shift(shift):
    made = decoder()
    content = torch.tensor([[0.4, -1.2]])
    template = made.template(content)
    assert template.shape == (1, 2, *made.size)
    wanted = crop(template[0].numpy(), made.window, made.margin, shift)
    drawn = made(content, Pose(torch.tensor([shift])))
    np.testing.assert_allclose(drawn[0], wanted, atol=1e-5)


@torch.no_grad()
def test_a_signal_is_cropped_along_x():
    made = decoder(window=(1, 9), channels=1, reach=(0.0, 3.0))
    content, shift = torch.tensor([[0.4, -1.2]]), (0.0, 1.3)
    wanted = crop(made.template(content)[0].numpy(), made.window, made.margin, shift)
    np.testing.assert_allclose(made(content, Pose(torch.tensor([shift])))[0], wanted, atol=1e-5)


def test_the_shift_has_a_gradient():
    made = decoder()
    shift = torch.tensor([[0.3, -1.4]], requires_grad=True)
    kept = torch.randn(1, 2, 6, 7)
    loss = (made(torch.zeros(1, 2), Pose(shift)) * kept).sum()
    loss.backward()
    for axis in (0, 1):
        step = torch.zeros(1, 2)
        step[0, axis] = 1e-2
        with torch.no_grad():
            up, down = ((made(torch.zeros(1, 2), Pose(shift + s)) * kept).sum() for s in (step, -step))
        assert float(shift.grad[0, axis]) == pytest.approx(float(up - down) / 2e-2, rel=0.02, abs=0.02)


@torch.no_grad()
def test_the_places_of_the_template_are_relative_to_the_motif():
    """A motif drawn at the template's origin appears in the middle of an unshifted window."""
    made = decoder(window=(9, 9), content=0, channels=1, reach=(3.0, 3.0))
    y, x = made.places()
    made.mean.copy_(torch.exp(-(y[:, None] ** 2 + x**2)).reshape(1, -1))
    content = torch.zeros(1, 0)
    for shift, peak in (((0, 0), (4, 4)), ((2, -3), (6, 1))):
        drawn = made(content, Pose(torch.tensor([shift]).float()))[0, 0]
        assert np.unravel_index(int(drawn.argmax()), (9, 9)) == peak


def bell(made, y, x, wide=2.0, tall=1.0):
    """A column in the template, at a place relative to the motif."""
    down, right = made.places()
    return torch.exp(-(((down[:, None] - y) / tall) ** 2 + ((right - x) / wide) ** 2)).reshape(1, -1)


def posed_decoder(**options):
    margins = Margins((25, 25), (4.0, 4.0), turned=True, least_scale=0.6)
    made = TemplateDecoder((25, 25), 1, 0, margins, **options)
    with torch.no_grad():
        made.mean.copy_(bell(made, 0, 6, 1.5, 1.5))
    return made


def brightest(drawn):
    return np.array(np.unravel_index(int(drawn.argmax()), drawn.shape)) - 12


@torch.no_grad()
@pytest.mark.parametrize(
    ("turn", "growth", "at"),
    [(0.0, 1.0, (0, 6)), (90.0, 1.0, (-6, 0)), (180.0, 1.0, (0, -6)), (0.0, 1.5, (0, 9)), (-90.0, 0.67, (4, 0))],
)
def test_a_motif_turns_counter_clockwise_as_seen_and_grows_about_its_origin(turn, growth, at):
    pose = Pose(torch.tensor([[2.0, -1.0]]), torch.tensor([math.radians(turn)]), torch.tensor([math.log(growth)]))
    drawn = posed_decoder()(torch.zeros(1, 0), pose)[0, 0]
    np.testing.assert_array_equal(brightest(drawn), [at[0] + 2, at[1] - 1])


@torch.no_grad()
def test_a_pose_without_turn_and_growth_is_the_crop():
    made = posed_decoder()
    shift, none = torch.tensor([[1.3, -2.4]]), torch.zeros(1)
    torch.testing.assert_close(
        made(torch.zeros(1, 0), Pose(shift, none, none)), made(torch.zeros(1, 0), Pose(shift)), atol=1e-5, rtol=1e-4
    )


def test_turn_and_growth_have_gradients():
    made, turn, growth = (
        posed_decoder(),
        torch.tensor([0.4], requires_grad=True),
        torch.tensor([0.1], requires_grad=True),
    )
    kept = torch.randn(1, 1, 25, 25)

    def loss(turn, growth):
        return (made(torch.zeros(1, 0), Pose(torch.zeros(1, 2), turn, growth)) * kept).sum()

    loss(turn, growth).backward()
    with torch.no_grad():
        for value, other in ((turn, lambda s: loss(turn + s, growth)), (growth, lambda s: loss(turn, growth + s))):
            assert float(value.grad) == pytest.approx(float(other(2e-3) - other(-2e-3)) / 4e-3, rel=0.1, abs=0.05)


@torch.no_grad()
def test_each_class_has_images_of_its_own():
    margins = Margins((9, 9), (2.0, 2.0))
    made = TemplateDecoder((9, 9), 1, 2, margins, classes=2)
    mean, components = torch.randn(2, 1, *made.size), torch.randn(2, 2, 1, *made.size)
    made.start_from(mean, components)
    content = torch.tensor([[0.5, -1.0], [0.5, -1.0]])
    drawn = made.template(content, torch.tensor([0, 1]))
    wanted = mean + 0.5 * components[:, 0] - components[:, 1]
    torch.testing.assert_close(drawn, wanted)
    torch.testing.assert_close(made.template(content)[1], wanted[0])
