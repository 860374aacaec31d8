"""The columns of a real scan are named whatever the window: the Ti of BaTiO3 is fainter than the median of the scan."""

from __future__ import annotations

import numpy as np
import pytest

from shiftvae_training.fitting.settings import Settings
from shiftvae_training.report.meaning import explain
from shiftvae_training.scans import read_scans
from shiftvae_training.train import train


@pytest.mark.parametrize("window", [None, 28], ids=["chosen", "28 px"])
def test_the_titanium_columns_are_found_and_move_to_the_right(real_data, window):
    scans = read_scans([str(real_data("BTO_crystal_1.dm4"))])
    trained = train(scans.frames, Settings(encoder="mlp", steps=400, window=window))
    model = trained.model
    pixels = scans.frames[0].astype(float)
    mean, _ = model.map_frame((pixels - pixels.mean()).astype(np.float32), 4)
    content = mean[2:].reshape(len(mean) - 2, -1).astype(float)
    varies = tuple(nats >= 0.1 for nats in trained.kl_nats[2:])
    meaning = explain(model, content, varies, pixel_size_nm=0.02966)
    assert len(meaning.columns_px) == 2
    np.testing.assert_allclose(np.abs(meaning.columns_px[1]), (6.7, 6.85), atol=0.4)  # the middle of the cell
    words = meaning.in_words(meaning.axes[0])
    assert "column 2 moves" in words
    assert "right by" in words
    assert 4 < 1000 * 0.02966 * np.hypot(*meaning.axes[0].move_px[1]) < 10  # pm
