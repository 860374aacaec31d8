"""Latents of a code with several lattices are those of a slow reference, with the label chosen by the highest score."""

from __future__ import annotations

import numpy as np
import pytest

from shiftvae_rt.errors import ModelFileError
from shiftvae_rt.kernels.readout import Readout

CELLS = np.array([[[12.0, 1.0], [-2.0, 13.0]], [[11.0, 5.0], [-6.5, 11.5]], [[12.0, -1.0], [2.0, 13.0]]])
VECTORS = tuple(tuple(map(tuple, cell)) for cell in CELLS.tolist())


def readout_of(grains: int, content: int = 1) -> Readout:
    return Readout(
        axes=2,
        vectors=VECTORS[0],
        planar_px=0.0,
        planar_reach_px=0.0,
        angle_period=0.0,
        scale_prior=0.0,
        content=content,
        further=VECTORS[1:grains],
    )


def expected(code: np.ndarray, grains: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation ``(4, ...)`` of dy, dx, grain and content."""
    scores, code = code[: grains + 1], code[grains + 1 :]
    label = scores.argmax(axis=0)
    label[label == grains] = -1
    odds = np.exp(scores - scores.max(axis=0))
    chance = 1 - 1 / odds.sum(axis=0)
    turns = np.arctan2(code[2:4], code[:2]) / (2 * np.pi) + code[8:10]
    turns -= np.rint(turns)
    width = np.exp(np.clip(code[4:6], -8, np.log(np.sqrt(2 * np.pi / np.e))))
    cells = CELLS[np.maximum(label, 0)]
    shift = np.einsum("krc,rcka->arc", turns, cells)
    sd = np.sqrt(np.einsum("krc,rcka->arc", width**2, (cells / (2 * np.pi)) ** 2))
    return np.stack([*shift, label, code[6]]), np.stack([*sd, chance, np.exp(np.clip(code[7], -8, 2))])


@pytest.mark.parametrize("grains", [2, 3])
def test_each_window_has_the_lattice_of_its_highest_score(grains):
    rng = np.random.default_rng(grains)
    readout = readout_of(grains)
    code = rng.normal(0, 1.5, (readout.planes, 5, 61)).astype(np.float32)
    mean, std = readout.read(code)
    wanted_mean, wanted_std = expected(code.astype(np.float64), grains)
    assert set(np.unique(mean[2])) == {-1.0, *range(grains)}
    np.testing.assert_array_equal(mean[2], wanted_mean[2])
    off = np.moveaxis((mean - wanted_mean)[:2], 0, -1)
    cells = CELLS[np.maximum(mean[2], 0).astype(int)]
    off -= np.einsum("rck,rcka->rca", np.rint(np.einsum("rca,rcak->rck", off, np.linalg.inv(cells))), cells)
    assert np.abs(off).max() < 1e-4  # a place at the edge of the cell may lie on either side
    np.testing.assert_array_equal(mean[3], code[grains + 7])
    np.testing.assert_allclose(std, wanted_std, rtol=3e-5, atol=1e-7)


def test_a_window_has_the_same_bits_alone_and_among_others():
    readout = readout_of(2)
    code = np.random.default_rng(0).normal(0, 1.5, (readout.planes, 3, 97)).astype(np.float32)
    whole, single = readout.read(code), readout.read(code[:, 1:2, 40:41])
    for one, other in zip(whole, single, strict=True):
        np.testing.assert_array_equal(one[:, 1, 40], other[:, 0, 0])


def test_the_chance_of_another_grain_is_never_quite_zero():
    readout = readout_of(2)
    code = np.zeros((readout.planes, 1, 1), np.float32)
    code[0] = 60.0
    mean, std = readout.read(code)
    assert (mean[2, 0, 0], 0 < std[2, 0, 0] < 1e-20) == (0.0, True)


def test_further_lattices_beside_none_of_two_vectors_are_refused():
    text = readout_of(2).to_json().replace('"vectors":[[12.0,1.0],[-2.0,13.0]]', '"vectors":[[12.0,1.0]]')
    with pytest.raises(ModelFileError, match="further lattices"):
        Readout.from_json(text, "layers.onnx")
