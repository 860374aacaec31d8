"""C++ improves latents as torch does, with the same bits for every instruction set and any number of windows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from rounds_cases import CASES, draw_windows, rounds_of

from shiftvae_rt import _core
from shiftvae_rt.errors import ModelFileError
from shiftvae_rt.kernels.rounds import Rounds
from shiftvae_training.model.rounds import Rounds as TorchRounds

CASE = pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))


def arrays_of(rounds: TorchRounds) -> dict[str, np.ndarray]:
    motif = torch.cat([rounds.mean[None], rounds.components])
    values = {"points": rounds.points, "motif": motif, "inverse": rounds.inverse, "deviation": rounds.deviation}
    return {name: np.ascontiguousarray(value.numpy()) for name, value in values.items()}


def kernel_of(rounds: TorchRounds, **changes: Any) -> Rounds:
    return Rounds(arrays_of(rounds) | changes, window=rounds.window, period=rounds.period, grows=rounds.grows)


@CASE
def test_the_kernel_is_the_torch_model_with_every_instruction_set(case):
    rounds = rounds_of(case)
    windows, _, rough = draw_windows(case, noise=0.2, away=5.0, count=130)
    windows[7] = 0.0  # a constant window
    mean, sd = (part.numpy().T for part in rounds(windows, rough))
    before, bits = _core.isa(), set()
    try:
        for isa in _core.isas():
            _core.use_isa(isa)
            found, found_sd = kernel_of(rounds).improve(windows.numpy(), rough.numpy().T)
            off = found - mean
            if rounds.period:
                off[2] -= rounds.period * np.rint(off[2] / rounds.period)
            assert np.abs(off / sd).max() < 1e-3
            np.testing.assert_allclose(found_sd, sd, rtol=1e-3)
            bits.add(found.tobytes() + found_sd.tobytes())
    finally:
        _core.use_isa(before)
    assert len(bits) == 1


@CASE
def test_a_window_has_the_same_bits_alone(case):
    rounds = kernel_of(rounds_of(case))
    windows, _, rough = draw_windows(case, noise=0.2)
    together = rounds.improve(windows.numpy(), rough.numpy().T)
    for index in (0, 17, 59):
        alone = rounds.improve(windows[index : index + 1].numpy(), rough[index : index + 1].numpy().T)
        for one, every in zip(alone, together, strict=True):
            np.testing.assert_array_equal(one[:, 0], every[:, index])


def test_the_latents_that_are_given_stay_as_they_are():
    windows, _, rough = draw_windows(CASES["turns"], noise=0.2)
    given = np.ascontiguousarray(rough.numpy().T)
    kept = given.copy()
    found, _ = kernel_of(rounds_of(CASES["turns"])).improve(windows.numpy(), given)
    np.testing.assert_array_equal(given, kept)
    assert np.abs(found - given).max() > 0.1


@pytest.mark.parametrize(
    ("changes", "fact"),
    [
        ({"points": np.zeros((3, 5), np.float32)}, "points"),
        ({"inverse": np.zeros((2, 1, 9), np.float32)}, "inverse"),
        ({"deviation": np.zeros(3, np.float32)}, "deviation"),
        ({"motif": np.zeros((0, 1, 9), np.float32)}, "motif"),
        ({"motif": np.zeros((2, 1, 9))}, "incompatible"),
    ],
    ids=["points", "inverse", "deviation", "empty motif", "float64"],
)
def test_arrays_that_do_not_fit_are_refused(changes, fact):
    with pytest.raises(ModelFileError, match=fact):
        kernel_of(rounds_of(CASES["turns"]), **changes)
