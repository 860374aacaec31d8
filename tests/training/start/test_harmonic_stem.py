"""The stem of small kernels measures the waves it is told to, and a shift of the window only turns them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from shiftvae_training.model.encoder import Encoder
from shiftvae_training.model.encoder_families import ENCODERS
from shiftvae_training.model.encoder_weights import Turn
from shiftvae_training.start.harmonic_stem import harmonic_kernels
from shiftvae_training.start.waves import Waves

PERIOD = 12.0
ORDERS = np.array([(1, 0), (0, 1), (1, 1), (1, -1), (2, 0), (0, 2), (2, 1), (1, 2)])
LINE = np.array([(1,), (2,), (3,)])


def waves_at(orders, *, channels=1) -> Waves:
    """Waves of a square lattice, or of lines, in every channel."""
    k = orders.shape[1]
    vectors = np.tile(orders if k == 2 else np.pad(orders, ((0, 0), (1, 0))), (channels, 1)) / PERIOD
    count = len(vectors)
    power = np.tile(0.2 * np.exp(-0.3 * np.square(orders).sum(1)), channels)
    turn = Turn(np.tile(orders, (channels, 1)), np.eye(k, dtype=np.int64))
    channel = np.repeat(np.arange(channels), len(orders))
    return Waves(vectors, channel, power, np.ones(count), 0.1, tuple(range(count)), turn)


CASES = {
    "square": ((24, 24), waves_at(ORDERS), 1),
    "window that is no multiple of 8": ((20, 20), waves_at(ORDERS[:4]), 1),
    "large window": ((48, 48), waves_at(ORDERS), 1),
    "two channels": ((24, 24), waves_at(ORDERS[:4], channels=2), 2),
    "signal": ((1, 24), waves_at(LINE), 1),
}


def encoder_of(window, waves, channels) -> Encoder:
    encoder = Encoder("convolutional", window, channels, 7, waves.turn)
    kernels = harmonic_kernels(encoder.plan, window, channels, waves)
    with torch.no_grad():
        for weight, kernel in zip(encoder.stem, kernels, strict=True):
            weight.copy_(torch.from_numpy(kernel))
    return encoder.double()


def scene(coefficients, waves, shift, size, channels):
    """Frame ``(1, C, H, W)`` of waves with these coefficients, moved by `shift` px from its first window's centre."""
    height, width, window = size
    y = np.arange(height)[:, None] - (window[0] - 1) / 2 - shift[0]
    x = np.arange(width) - (window[1] - 1) / 2 - shift[1]
    frame = np.zeros((channels, height, width))
    for c, vector, channel in zip(coefficients, waves.vectors, waves.channel, strict=True):
        frame[channel] += 2 * (c * np.exp(2j * np.pi * (vector[0] * y + vector[1] * x))).real
    return torch.from_numpy(frame)[None]


@pytest.fixture(params=CASES, ids=list(CASES))
def case(request):
    window, waves, channels = CASES[request.param]
    rng = np.random.default_rng(0)
    coefficients = np.sqrt(waves.power) * np.exp(2j * np.pi * rng.uniform(size=len(waves.power)))
    return encoder_of(window, waves, channels), waves, coefficients, channels


@torch.no_grad()
def test_each_feature_is_the_coefficient_of_its_wave(case):
    encoder, waves, coefficients, channels = case
    frame = scene(coefficients, waves, (0.0, 0.0), (*encoder.window, encoder.window), channels)
    found = encoder.features(frame, torch.ones(1, 1, 1), 1)[0, 0, 0].numpy()
    gain = (found[::2] + 1j * found[1::2]) / coefficients
    # real and positive, but for the leakage of the waves among each other
    assert np.abs(gain.imag / gain.real).max() < 0.1
    assert (gain.real > 0).all()


@torch.no_grad()
def test_the_noise_of_every_feature_is_that_of_a_pixel(case):
    encoder, *_, channels = case
    size = channels * encoder.window[0] * encoder.window[1]
    pixels = torch.eye(size, dtype=torch.float64).view(size, channels, *encoder.window)  # one bright pixel in each
    found = encoder.features(pixels, torch.ones(size, 1, 1), 1)[:, 0, 0]
    pairs = found.square().sum(0).view(-1, 2).mean(1)  # of real and imaginary part together
    np.testing.assert_allclose(pairs.numpy(), 1.0, atol=0.03)


@torch.no_grad()
def test_no_shift_changes_what_is_turned_back(case):
    encoder, waves, coefficients, channels = case
    flat = encoder.window[0] == 1
    moves = [(0.0, 0.0), (0.0, 1.7), (0.0, -4.2)] if flat else [(0.0, 0.0), (2.1, -3.3), (-5.0, 0.4)]
    turned, phases = [], []
    for move in moves:
        frame = scene(coefficients, waves, move, (*encoder.window, encoder.window), channels)
        features, angle = encoder.turned(encoder.features(frame, torch.ones(1, 1, 1), 1))
        turned.append(features[0, 0, 0].numpy())
        phases.append(angle[0, 0, 0].numpy())
    scale = np.abs(turned[0]).max()
    for move, here, phase in zip(moves, turned, phases, strict=True):
        assert np.abs(here - turned[0]).max() < 0.1 * scale
        expected = 2 * np.pi * np.array(move[2 - len(phase) :]) / PERIOD
        off = np.angle(np.exp(1j * (phase - phases[0] - expected)))
        assert np.abs(off).max() < 0.15


def test_the_first_kernels_sum_to_zero():
    kernels = harmonic_kernels(ENCODERS["convolutional"].stem(24), (24, 24), 2, CASES["two channels"][1])
    np.testing.assert_allclose(kernels[0].sum(axis=(2, 3)), 0.0, atol=1e-9)


def test_of_many_channels_what_the_layers_below_cannot_pass_is_not_measured():
    waves = waves_at(ORDERS[:2], channels=12)
    waves.weight[:] = np.linspace(1, 0.1, len(waves.weight))
    kernels = harmonic_kernels(ENCODERS["convolutional"].stem(24, 24), (24, 24), 12, waves)
    measured = np.abs(kernels[-1]).max(axis=(1, 2, 3)).reshape(-1, 2) > 0  # (wave, real and imaginary part)
    assert np.isfinite(kernels[-1]).all()
    assert (measured[:, 0] == measured[:, 1]).all()
    assert measured[:2].all()
    assert not measured.all()


def test_a_window_without_phase_is_not_turned():
    encoder = encoder_of(*CASES["square"])
    features, phases = encoder.turned(torch.zeros(1, 16))
    assert torch.equal(features, torch.zeros(1, 16))
    assert torch.equal(phases, torch.zeros(1, 2))
