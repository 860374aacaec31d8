import numpy as np
import pytest
import torch

from shiftvae_training.finishing.balance import balance_under_noise


@pytest.fixture(scope="module")
def windows(scan):
    model, frame = scan.trained.model, scan.frames[0].astype(np.float32)
    n = model.window[0]
    cut = np.stack([frame[:, y : y + n, x : x + n] for y in range(0, 60, 12) for x in range(0, 60, 5)])
    return torch.from_numpy(cut - cut.mean(axis=(2, 3), keepdims=True)) * model.channel_scale[0]


def test_at_the_noise_of_the_scan_the_claim_holds_and_is_not_idle(scan, windows):
    balance = balance_under_noise(scan.trained.model, windows, seed=0)
    used = np.array([True, *(np.array(scan.trained.kl_nats[2:]) >= 0.1)])
    assert used[1:].any()
    at_one = list(balance.noise).index(1.0)
    ratio = balance.claimed[at_one, used] / balance.found[at_one, used]
    assert ((ratio > 0.7) & (ratio < 1.8)).all()  # a shift's deviation also covers what bends the lattice


def test_position_and_shape_are_both_less_right_in_more_noise(scan, windows):
    balance = balance_under_noise(scan.trained.model, windows, seed=0)
    used = np.array([True, *(np.array(scan.trained.kl_nats[2:]) >= 0.1)])
    assert (balance.found[-1, used] > 2 * balance.found[0, used]).all()
    assert balance.claimed[-1, 0] > 1.1 * balance.claimed[0, 0]


def test_the_seed_of_the_noise_makes_it_repeatable(scan, windows):
    one, same, other = (balance_under_noise(scan.trained.model, windows, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(one.found, same.found)
    assert (one.found != other.found).any()
