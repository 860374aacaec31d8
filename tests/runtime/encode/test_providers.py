"""Every provider that this machine has gives the maps of the C++ core: whole frames and rows, at every stride."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tiny_models import tiny_manifest, tiny_members, tiny_weights, write_tiny_model

from shiftvae_rt import LatentMapper, ProviderError
from shiftvae_rt.encode.modulo import modulo_lattice
from shiftvae_rt.encode.onnx_graph import available_providers
from shiftvae_rt.model.model_file import write_model_file
from shiftvae_training.model.encoder_weights import StemLayer

#: Largest difference from the C++ core, in units of a latent's deviation over the frame.
MOST_OFF = {"onnxruntime": 1e-5, "cuda": 1e-3, "tensorrt": 1e-3}


@pytest.fixture(params=MOST_OFF)
def provider(request) -> str:
    if request.param not in available_providers():
        pytest.skip(f"this onnxruntime does not offer {request.param}")
    return request.param


@pytest.fixture(scope="module", params=[{}, {"channels": 2}, {"dimensions": 1}], ids=["2D", "two channels", "1D"])
def model(request, tmp_path_factory):
    return write_tiny_model(tmp_path_factory.mktemp("model") / "model.svae", **request.param)


def frame_for(mapper: LatentMapper) -> np.ndarray:
    flat = mapper.model.manifest.dimensions == 1
    shape = (mapper.model.manifest.channels, 300) if flat else (mapper.model.manifest.channels, 70, 83)
    return np.random.default_rng(0).poisson(80, shape).astype(np.uint16)


def largest_difference(found, wanted, lattice) -> float:
    """The largest difference of a mean, in deviations over the frame (of a shift at least 1 px), or of an sd.

    Of the shift the last per cent is left out: here and there the phase of a random network is close to undefined.
    """
    off = (found.mean - wanted.mean).astype(np.float64)
    axes = sum(name in ("dy", "dx") for name in wanted.names)
    off[:axes] = modulo_lattice(off[:axes], np.reshape(lattice, (-1, 2))[:, 2 - axes :])
    spread = wanted.mean.std((1, 2), keepdims=True)
    spread[:axes] = np.maximum(spread[:axes], 1)
    off = np.abs(off) / spread
    return float(max(np.quantile(off[:axes], 0.99), off[axes:].max(), np.abs(found.std / wanted.std - 1).max()))


@pytest.mark.parametrize("stride", [1, 2, 4, 8, 24])
def test_maps_are_those_of_the_core(model, provider, stride):
    core, other = LatentMapper(model, stride=stride), LatentMapper(model, stride=stride, provider=provider)
    assert (core.provider, other.provider) == ("native", provider)
    frame = frame_for(core)
    wanted, found = core.map(frame), other.map(frame)
    assert largest_difference(found, wanted, core.model.manifest.lattice) <= MOST_OFF[provider]


def test_rows_are_those_of_the_core(model, provider):
    core, other = LatentMapper(model, stride=4), LatentMapper(model, stride=4, provider=provider)
    if core.model.manifest.dimensions == 1:
        pytest.skip("a line signal has one row")
    frame = frame_for(core)
    scan = other.begin_scan(frame.shape[1:], dtype=frame.dtype)
    for y in range(0, frame.shape[1], 7):
        scan.push_rows(frame[:, y : y + 7])
    off = largest_difference(scan.result(), core.map(frame), core.model.manifest.lattice)
    assert off <= MOST_OFF[provider]


def test_a_network_over_single_windows_runs_in_onnxruntime_and_is_refused_by_the_core(tmp_path):
    weights = tiny_weights()
    kernel = np.random.default_rng(0).normal(size=(24, 1, 16, 16)).astype(np.float32) / 16
    kernel -= kernel.mean((2, 3), keepdims=True)
    head = (weights.head[0][0][:, :24].copy(), weights.head[0][1])
    weights = replace(
        weights,
        stem=(StemLayer(kernel, 1),),
        stem_relu=False,
        stem_bias=np.zeros(24, np.float32),
        head=(head, weights.head[1]),
    )
    write_model_file(tmp_path / "mlp.svae", tiny_manifest(weights), tiny_members(weights))
    assert LatentMapper(tmp_path / "mlp.svae").provider == "onnxruntime"
    with pytest.raises(ProviderError, match="windows one by one.*onnxruntime"):
        LatentMapper(tmp_path / "mlp.svae", provider="native")
