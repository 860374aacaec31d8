"""A family of one's own is one object and one line: it trains, exports and maps like those that ship."""

from __future__ import annotations

import numpy as np

from shiftvae_rt import LatentMapper
from shiftvae_rt.model.manifest import DataSource
from shiftvae_training.export import export_model
from shiftvae_training.fitting.settings import Settings
from shiftvae_training.model.encoder_families import ENCODERS, Layer, Sliding
from shiftvae_training.train import train


def test_a_family_of_your_own_trains_exports_and_maps(scan, tmp_path, monkeypatch):
    monkeypatch.setitem(ENCODERS, "slim", Sliding("slim", edge=4, features=32, head=(32,)))
    settings = Settings(
        window=16, content=1, encoder="slim", steps=12, constraints={"displacement": 100.0, "smooth": 1.0}
    )
    trained = train(scan.frames, settings)
    assert [layer.size for layer in trained.model.encoder.plan] == [4, 3, 3]
    assert trained.model.encoder.linears[0].out_features == 32
    source = DataSource(name="scan.npy", sha256="00", frames=1, shape=scan.frames[0].shape, dtype="uint16")
    parity = export_model(tmp_path / "slim.svae", trained, scan.frames, sources=(source,), pixel_size_nm=None)
    assert parity.against_torch <= 1e-4
    mapper = LatentMapper(tmp_path / "slim.svae", stride=8)
    assert mapper.model.manifest.encoder == "slim"
    assert np.isfinite(mapper.map(scan.frames[0]).mean).all()


def test_layers_say_their_kernel_dilation_and_width():
    assert ENCODERS["convolutional"].stem(32) == [Layer(8, 1, 16), Layer(3, 4, 32), Layer(3, 8, 32)]
    assert ENCODERS["convolutional"].stem(8) == [Layer(4, 1, 16), Layer(3, 2, 32)]
    assert ENCODERS["convolutional"].stem(32, waves=12) == [Layer(8, 1, 16), Layer(3, 4, 16), Layer(3, 8, 24)]
    assert [layer.width for layer in ENCODERS["convolutional"].stem(72, waves=8)] == [16, 32, 32, 32, 32, 16]
