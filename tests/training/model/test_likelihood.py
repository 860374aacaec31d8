"""Each likelihood is the one of the textbook, and starts from the motif that was guessed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from shiftvae_training.model.likelihood import Bernoulli, Gaussian, Poisson, Seen

NOISE = torch.tensor(0.4)


def seen_windows(seed=0) -> tuple[np.ndarray, Seen]:
    """Counts ``(5, 2, 6, 7)`` and what the likelihoods are given of them."""
    counts = np.random.default_rng(seed).poisson(30, size=(5, 2, 6, 7)).astype(np.float32)
    counts[:, 1] *= 2
    scale = torch.tensor([1.0, 0.5])
    scaled = torch.from_numpy(counts) * scale[:, None, None]
    level = scaled.mean((2, 3), keepdim=True)
    sd = (scaled - level).square().mean((1, 2, 3), keepdim=True).sqrt()
    seen = Seen((scaled - level) / sd, level / scale[:, None, None], (sd / scale[:, None, None]).expand(-1, 2, 1, 1))
    return counts, seen


def drawing(seed=0) -> torch.Tensor:
    return torch.randn(5, 2, 6, 7, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("likelihood", [Gaussian(), Poisson()])
def test_drawings_are_normalised_with_their_noise(likelihood):
    windows = likelihood.windows(3 * drawing() + 7, NOISE)
    torch.testing.assert_close(windows.mean((2, 3)), torch.zeros(5, 2), atol=1e-5, rtol=0)
    own = (3 * drawing()).var((2, 3), correction=0).mean(1)
    torch.testing.assert_close(windows.square().mean((1, 2, 3)), own / (own + NOISE**2))


def test_gaussian_nats():
    _, seen = seen_windows()
    nats, residual = Gaussian().nats(drawing(), seen, NOISE)
    drawn = Gaussian().windows(drawing(), NOISE)
    wanted = -stats.norm(drawn, float(NOISE)).logpdf(seen.normalised).sum((1, 2, 3)).mean()
    assert float(nats) == pytest.approx(wanted, rel=1e-5)
    assert float(residual) == pytest.approx(float((drawn - seen.normalised).square().mean()))


def test_poisson_nats_are_of_the_raw_counts():
    counts, seen = seen_windows()
    nats, _ = Poisson().nats(drawing(), seen, NOISE)
    rate = seen.level + seen.spread * Poisson().windows(drawing(), NOISE)
    rate = np.maximum(rate.numpy(), 0.05 * seen.level.numpy() + 1e-3)
    assert float(nats) == pytest.approx(-stats.poisson(rate).logpmf(counts).sum((1, 2, 3)).mean(), rel=1e-4)


def test_a_rate_stays_positive():
    _, seen = seen_windows()
    nats, _ = Poisson().nats(torch.full((5, 2, 6, 7), -50.0) + 300 * drawing(), seen, NOISE)
    assert torch.isfinite(nats)


def bernoulli() -> Bernoulli:
    return Bernoulli(*(torch.tensor(v) for v in ([0.0, 10.0], [60.0, 110.0], [30.0, 60.0], [5.5, 11.0])))


def test_bernoulli_nats_are_of_the_data_brought_to_0_and_1():
    counts, seen = seen_windows()
    nats, _ = bernoulli().nats(drawing(), seen, NOISE)
    low, width = np.array([0.0, 10.0])[:, None, None], np.array([60.0, 100.0])[:, None, None]
    share, odds = (counts - low) / width, 1 / (1 + np.exp(-drawing().numpy()))
    wanted = -(share * np.log(odds) + (1 - share) * np.log(1 - odds)).sum((1, 2, 3)).mean()
    assert float(nats) == pytest.approx(wanted, rel=1e-5)


def test_bernoulli_starts_at_the_log_odds_of_the_guess():
    mean, components = 0.5 * drawing()[0], 0.3 * drawing(1)[:3]
    start, slopes = bernoulli().start(mean, components)
    raw = torch.tensor([30.0, 60.0])[:, None, None] + torch.tensor([5.5, 11.0])[:, None, None] * mean
    share = (raw - torch.tensor([0.0, 10.0])[:, None, None]) / torch.tensor([60.0, 100.0])[:, None, None]
    torch.testing.assert_close(start.sigmoid(), share)
    step = 1e-3
    moved = (start + step * slopes[0]).sigmoid() - (start - step * slopes[0]).sigmoid()
    wanted = components[0] * torch.tensor([5.5 / 60, 11 / 100])[:, None, None]
    torch.testing.assert_close(moved / (2 * step), wanted, atol=2e-4, rtol=1e-2)
