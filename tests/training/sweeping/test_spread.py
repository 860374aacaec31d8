"""The spread between seeds, on maps whose differences are known."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from shiftvae_training.sweeping.spread import _compared, comparable

LATTICE = ((12.0, 0.0), (0.0, 12.0))


@pytest.fixture
def best(model, scan):
    return model.mapper().map(scan.frames[0])


@pytest.fixture
def manifest(model):
    return msgspec.structs.replace(model.file.manifest, lattice=LATTICE)


def other_seed(best, rng, noise=0.0):
    """The map as another seed could give it: content in another order and with other signs, another origin."""
    mean = best.mean.astype(np.float64) + noise * rng.normal(size=best.mean.shape)
    mean[2:] = -mean[:1:-1]
    mean[:2] += np.array([5.0, -3.0])[:, None, None] + 12.0 * rng.integers(-1, 2, best.mean[:2].shape)
    return replace(best, mean=mean.astype(np.float32))


def test_order_sign_and_origin_do_not_count(best, manifest):
    found = _compared([best, other_seed(best, np.random.default_rng(0))], manifest)
    assert found.map.names == ("dy", "dx", "z1", "z2")
    np.testing.assert_allclose(found.map.std, 0, atol=1e-5)
    np.testing.assert_allclose(found.map.mean[2:], best.mean[2:], atol=1e-5)
    np.testing.assert_allclose(found.correlation[2:], 1, atol=1e-6)
    assert np.isnan(found.correlation[:2]).all()


def test_what_seeds_disagree_on_is_the_spread(best, manifest):
    rng = np.random.default_rng(1)
    found = _compared([best, *(other_seed(best, rng, noise=0.1) for _ in range(4))], manifest)
    each = [row["spread_between_seeds"] for row in found.table()]
    expected = 0.1 * np.sqrt(4 / 5)  # of five seeds, the best has no noise
    np.testing.assert_allclose(each, expected, rtol=0.05)
    posterior = np.sqrt(np.mean(best.std.astype(float) ** 2, axis=(1, 2)))
    assert [row["posterior_sd"] for row in found.table()] == pytest.approx(posterior, abs=1e-4)
    assert found.map.std.shape == best.mean.shape


def test_an_origin_without_a_lattice_does_not_count(best, manifest):
    planar = msgspec.structs.replace(manifest, lattice=())
    moved = replace(best, mean=best.mean + np.float32([2.5, -1.0, 0, 0])[:, None, None])
    np.testing.assert_allclose(_compared([best, moved], planar).map.std, 0, atol=1e-5)


def test_models_of_other_windows_or_latents_do_not_compare(manifest):
    assert comparable(manifest, manifest)
    assert not comparable(manifest, msgspec.structs.replace(manifest, window=(20, 20)))
    assert not comparable(manifest, msgspec.structs.replace(manifest, latents=manifest.latents[:3]))
