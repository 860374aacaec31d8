"""The encoder of every family depends on exactly its window, and not on its brightness or contrast."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from shiftvae_rt.errors import WindowError
from shiftvae_training.model.encoder import Encoder
from shiftvae_training.model.encoder_families import ENCODERS
from shiftvae_training.model.encoder_weights import Turn

#: Orders of 12 features on a lattice of two vectors.
TURN = Turn(np.array([[1, 0], [0, 1], *[(i % 5 - 2, i % 3 - 1) for i in range(10)]]), np.array([[1, 0], [1, 1]]))
NETWORKS = {
    "convolutional 8": ("convolutional", (8, 8), 1, None),
    "convolutional 12": ("convolutional", (12, 12), 1, None),
    "convolutional 32, two channels": ("convolutional", (32, 32), 2, None),
    "turned 24": ("convolutional", (24, 24), 1, TURN),
    "turned 32, two channels": ("convolutional", (32, 32), 2, TURN),
    "1D convolutional, two channels": ("convolutional", (1, 20), 2, None),
    "1D turned": ("convolutional", (1, 20), 1, Turn(TURN.orders[:, :1], TURN.phases[:1, :1])),
    "mlp 15": ("mlp", (15, 15), 1, None),
    "1D mlp, three channels": ("mlp", (1, 13), 3, None),
}


@pytest.fixture(params=NETWORKS, ids=list(NETWORKS))
def encoder(request):
    torch.manual_seed(0)
    family, window, channels, turn = NETWORKS[request.param]
    return Encoder(family, window, channels, 7, turn)


def windows(encoder, count=3, more=0) -> torch.Tensor:
    h, w = encoder.window
    return torch.randn(count, encoder.stem[0].shape[1], h if h == 1 else h + more, w + more)


def deviations(frames, window) -> torch.Tensor:
    """Deviation of every window of ``frames (N, C, H, W)``, all channels together, ``(N, rows, cols)``."""
    cut = frames.unfold(2, window[0], 1).unfold(3, window[1], 1)
    cut = cut - cut.mean((-1, -2), keepdim=True)
    return cut.square().mean(dim=(1, -1, -2)).sqrt()


WINDOWS = [("convolutional", window) for window in range(8, 65, 4)]


@pytest.mark.parametrize(("family", "window"), WINDOWS)
def test_the_receptive_field_of_the_plan_is_the_window(family, window):
    plan = [(layer.size, layer.dilation) for layer in ENCODERS[family].stem(window)]
    assert 1 + sum((size - 1) * dilation for size, dilation in plan) == window
    dilations = [dilation for _, dilation in plan]
    assert dilations == sorted(dilations)
    seen = {0}
    for size, dilation in plan:
        seen = {place + tap * dilation for place in seen for tap in range(size)}
    assert seen == set(range(window))  # no pixel of the window is skipped


@pytest.mark.parametrize(("family", "window"), WINDOWS)
def test_every_pixel_of_the_window_matters_and_none_beyond(family, window):
    torch.manual_seed(0)
    encoder = Encoder(family, (window, window), 1, 3)
    frame = torch.randn(1, 1, window + 8, window + 8, requires_grad=True)
    raw = encoder(frame, torch.ones(1, 9, 9), 1)
    raw[0, 4, 4].square().sum().backward()
    touched = frame.grad[0, 0] != 0
    assert touched[4:-4, 4:-4].float().mean() > 0.95
    assert touched[4:-4, 4].any()
    assert touched[4:-4, -5].any()
    touched[4:-4, 4:-4] = False
    assert not touched.any()


def test_the_mlp_is_one_convolution():
    assert [(layer.size, layer.dilation) for layer in ENCODERS["mlp"].stem(21)] == [(21, 1)]


@pytest.mark.parametrize(
    ("family", "window"),
    [("convolutional", 10), ("convolutional", 4), ("convolutional", 0), ("mlp", 3), ("mlp", 1)],
)
def test_a_window_that_the_family_cannot_have_is_refused(family, window):
    with pytest.raises(WindowError, match=f"the {family} encoder needs a window .* got {window}"):
        ENCODERS[family].stem(window)


@torch.no_grad()
def test_an_offset_is_not_seen(encoder):
    tiles = windows(encoder)
    sd = deviations(tiles, encoder.window)
    offset = torch.linspace(-30, 50, tiles.shape[1])[:, None, None]
    assert torch.allclose(encoder(tiles + offset, sd, 1), encoder(tiles, sd, 1), atol=1e-3)


@torch.no_grad()
def test_contrast_is_divided_away(encoder):
    tiles = windows(encoder)
    sd = deviations(tiles, encoder.window)
    assert torch.allclose(encoder(7 * tiles, 7 * sd, 1), encoder(tiles, sd, 1), atol=1e-4)
    assert not torch.allclose(encoder(7 * tiles, sd, 1), encoder(tiles, sd, 1), atol=1e-1)


@torch.no_grad()
def test_a_frame_is_its_windows(encoder):
    h, w = encoder.window
    frame = windows(encoder, count=1, more=9)
    dense = encoder(frame, deviations(frame, encoder.window), 1)
    for row in range(0, dense.shape[1], 4):
        for col in range(0, dense.shape[2], 3):
            one = frame[:, :, row : row + h, col : col + w]
            alone = encoder(one, deviations(one, encoder.window), 1)
            assert torch.allclose(alone[0, 0, 0], dense[0, row, col], atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("stride", [2, 3, 4, 8])
def test_a_stride_takes_every_so_many_windows(encoder, stride):
    frame = windows(encoder, count=2, more=16)
    sd = deviations(frame, encoder.window)
    rows = 1 if encoder.window[0] == 1 else stride
    assert torch.allclose(
        encoder(frame, sd[:, ::rows, ::stride], stride), encoder(frame, sd, 1)[:, ::rows, ::stride], atol=1e-4
    )
