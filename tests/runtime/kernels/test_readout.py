"""C++ reads latents from codes as the graph for any program does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_models import tiny_weights

from shiftvae_rt import _core
from shiftvae_rt.encode.onnx_graph import run_graph
from shiftvae_rt.errors import ModelFileError
from shiftvae_rt.kernels.readout import Readout
from shiftvae_training.graphs.encoder_graph import latents
from shiftvae_training.graphs.graph_builder import GraphBuilder
from shiftvae_training.graphs.runtime_graphs import readout_of
from shiftvae_training.model.encoder_weights import EncoderWeights

SQUARE = np.array([[23.5, 1.0], [-0.5, 24.0]])
NO_LATTICE = np.zeros((0, 2))
#: Every kind of latent: what differs from `tiny_weights`.
MEMBERS: dict[str, dict[str, Any]] = {
    "two vectors": {"lattice": SQUARE},
    "one vector, two axes": {"lattice": SQUARE[:1]},
    "planar": {"lattice": NO_LATTICE, "planar_prior_px": 7.0},
    "planar, ends softly": {"lattice": NO_LATTICE, "planar_prior_px": 7.0, "planar_reach_px": 9.0},
    "rotation": {"lattice": SQUARE, "fold": 4},
    "scale": {"lattice": SQUARE, "scale_prior": 0.04},
    "rotation and scale, planar": {
        "lattice": NO_LATTICE,
        "planar_prior_px": 7.0,
        "planar_reach_px": 9.0,
        "fold": 1,
        "scale_prior": 0.3,
    },
    "no content": {"lattice": SQUARE, "content": 0},
    "eight of content": {"lattice": SQUARE, "content": 8},
    "a signal": {"window": (1, 16), "lattice": np.array([[0.0, 24.0]])},
    "a signal without period": {"window": (1, 16), "lattice": NO_LATTICE, "planar_prior_px": 7.0},
}


def weights_of(member: str) -> EncoderWeights:
    return replace(tiny_weights(), **MEMBERS[member])


def code_of(weights: EncoderWeights, shape: tuple[int, int] = (9, 113)) -> NDArray[np.float32]:
    """Planes of the readout: phases near every axis and diagonal, deviations beyond their bounds."""
    rng = np.random.default_rng(0)
    code = rng.normal(0, 2, (planes(weights), *shape)).astype(np.float32)
    code[:, 0, :8] = 0
    code[:, 1, :8] = np.array([-1, 1])[rng.integers(0, 2, (len(code), 8))]
    code[:, 2, :8] = rng.normal(0, 40, (len(code), 8))
    return code


def planes(weights: EncoderWeights) -> int:
    k, axes = len(weights.lattice), weights.dimensions
    shift = 4 * k + (axes if 0 < k < axes else 0) if k else 3 * axes
    return shift + 3 * bool(weights.fold) + 2 * bool(weights.scale_prior) + 2 * weights.content


def by_the_graph(weights: EncoderWeights, code: NDArray[np.float32]) -> list[NDArray[Any]]:
    build = GraphBuilder()
    for name, output in zip(("mean", "std"), latents(build, weights, "code"), strict=True):
        build.node("Identity", output, output=name)
    maps: list[int | str] = ["N", weights.reported, "H", "W"]
    graph = build.serialise("latents", {"code": ["N", len(code), "H", "W"]}, {"mean": maps, "std": maps})
    return [output[0] for output in run_graph(graph, {"code": code[None]})]


@pytest.mark.parametrize("isa", _core.isas())
@pytest.mark.parametrize("member", MEMBERS)
def test_latents_are_those_of_the_graph(member: str, isa: str) -> None:
    weights = weights_of(member)
    code, before = code_of(weights), _core.isa()
    _core.use_isa(isa)
    try:
        mean, std = readout_of(weights).read(code)
    finally:
        _core.use_isa(before)
    wanted_mean, wanted_std = by_the_graph(weights, code)
    off, axes = mean - wanted_mean, weights.dimensions
    if len(weights.lattice):  # a place at the edge of the cell may lie on either side
        vectors = weights.lattice[:, 2 - axes :]
        cells = np.rint(np.linalg.pinv(vectors).T @ off[:axes].reshape(axes, -1))
        off[:axes] -= (vectors.T @ cells).reshape(off[:axes].shape)
    period = 360 / weights.fold if weights.fold else 0.0
    if period:
        off[axes] -= period * np.rint(off[axes] / period)
    # float32 keeps 6e-8 of these: px, degrees, per cent
    unit = [24.0] * axes + [period] * bool(period) + [100.0] * bool(weights.scale_prior) + [1.0] * weights.content
    assert np.abs(off / np.reshape(unit, (-1, 1, 1))).max() < 1e-6
    np.testing.assert_allclose(std, wanted_std, rtol=1e-5)


@pytest.mark.parametrize("member", MEMBERS)
def test_a_window_has_the_same_bits_wherever_it_lies_with_any_threads_and_instructions(member: str) -> None:
    weights = weights_of(member)
    code, before = code_of(weights, (40, 701)), _core.isa()
    readout = readout_of(weights)
    whole = readout.read(code)
    try:
        for name in _core.isas():
            _core.use_isa(name)
            for threads in (1, 3):
                for found, wanted in zip(readout.read(code, threads=threads), whole, strict=True):
                    np.testing.assert_array_equal(found, wanted)
    finally:
        _core.use_isa(before)
    for found, wanted in zip(readout.read(np.ascontiguousarray(code[:, 3:5, 11:24])), whole, strict=True):
        np.testing.assert_array_equal(found, wanted[:, 3:5, 11:24])


@pytest.mark.parametrize("member", MEMBERS)
def test_what_is_not_a_number_shows_in_its_window_and_in_no_other(member: str) -> None:
    weights = weights_of(member)
    code = code_of(weights)[:, 2:3]
    for plane in range(len(code)):
        code[plane, 0, 2 * plane] = np.nan
    latents_there = np.isnan(np.concatenate(readout_of(weights).read(code))).any(axis=0)[0]
    assert latents_there[: 2 * len(code) : 2].all()
    assert latents_there.sum() == len(code)


def test_what_is_no_code_is_refused() -> None:
    readout = readout_of(tiny_weights())
    text = readout.to_json()
    assert Readout.from_json(text, "a graph") == readout
    with pytest.raises(ModelFileError, match="a graph gives 3 planes, expected 12: export the model again"):
        readout.read(np.zeros((3, 4, 4), np.float32))
    changes = {
        '"axes":2': '"axes":3',
        "10.0": "1e300",
        '"angle_period":0.0': '"angle_period":-1',
        "[10.0,0.0]": "[1,2,3]",
    }
    for wrong in ("", "{}", *(text.replace(*change) for change in changes.items())):
        with pytest.raises(ModelFileError, match="a graph: its readout is wrong"):
            Readout.from_json(wrong, "a graph")
    with pytest.raises(ModelFileError, match="a coordinate of each vector for each axis"):
        Readout.from_json(text.replace("[[10.0,0.0],", "[[10.0],"), "a graph")
