"""The test frame is one on which a rounding turns nothing."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from shiftvae_training import golden
from shiftvae_training.golden import GOLDEN_STRIDE, Parity, best_golden


@pytest.mark.parametrize(
    ("errors", "chosen"),
    [
        ([(1e-6, 0), (1e-7, 0)], 0),
        ([(1e-2, 0), (1e-6, 0), (1e-7, 0)], 1),
        ([(1e-6, 1e-4), (1e-6, 0)], 1),
        ([(1e-2, 0), (5e-5, 0), (9e-5, 0)], 1),
        ([(np.nan, 0), (5e-5, 0)], 1),
    ],
    ids=["first", "torch differs", "windows differ", "none is good", "NaN"],
)
def test_the_test_frame_is_the_first_that_is_good(monkeypatch, errors, chosen):
    parts = [np.full((1, 8, 8), float(i)) for i in range(len(errors))]
    monkeypatch.setattr(
        golden, "_compare", lambda _model, _spread, golden, *_: Parity(*errors[int(golden.frame[0, 0, 0])])
    )
    monkeypatch.setattr(golden, "run_graph", lambda *_: np.zeros((2, 1, 3, 1, 1), np.float32))
    found, parity = best_golden(SimpleNamespace(window=(4, 4)), (1.0,), {GOLDEN_STRIDE: b""}, parts)
    assert found.frame[0, 0, 0] == chosen
    assert parity == Parity(*errors[chosen])
    assert parity.share <= 1
