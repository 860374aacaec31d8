"""Every member of the model family trains, exports and maps; what no model can be is refused in words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from conftest import small_microscope
from test_export import assert_map_is_that_of_torch, write

from shiftvae_rt import LatentMapper, ModelFile
from shiftvae_rt.encode.onnx_graph import run_graph
from shiftvae_rt.errors import FrameError, TrainingError
from shiftvae_training.fitting.family import labels_of_frames
from shiftvae_training.fitting.settings import Settings
from shiftvae_training.train import train

QUICK = Settings(encoder="mlp", steps=20, window=16, content=2)
PLANAR = {"shift": "planar", "window": 20}
MEMBERS = {
    "rotation and scale": (
        {**PLANAR, "rotation": 1, "scale": True, "steps": 60},
        1,
        ("dy", "dx", "phi", "scale", "z1", "z2"),
    ),
    "coordinate decoder": ({"decoder": "coordinate", "content": 1}, 1, ("dy", "dx", "z1")),
    "Poisson": ({"likelihood": "poisson", "content": 1}, 1, ("dy", "dx", "z1")),
    "Bernoulli": ({"likelihood": "bernoulli", "content": 1}, 2, ("dy", "dx", "z1")),
    "two classes": ({"classes": ("up", "down")}, 1, ("dy", "dx", "z1", "z2")),
    "three latents, convolutional": ({"content": 3, "encoder": "convolutional"}, 1, ("dy", "dx", "z1", "z2", "z3")),
    "eight latents, two channels": ({"content": 8}, 2, ("dy", "dx", *(f"z{i + 1}" for i in range(8)))),
}


@pytest.fixture(scope="module")
def frames():
    """Two frames of two channels."""
    return [np.stack([small_microscope().frame(i).pixels, small_microscope().frame(i + 2).pixels]) for i in (0, 1)]


@pytest.mark.parametrize("name", MEMBERS)
def test_every_member_exports_and_maps(frames, tmp_path, name):
    settings, channels, names = MEMBERS[name]
    used = [frame[:channels] for frame in frames]
    trained = train(used, replace(QUICK, **settings))
    path = tmp_path / "m.svae"
    write(path, trained, used)
    mapper = LatentMapper(path, stride=8)
    found = mapper.map(used[0])
    assert found.names == names
    assert_map_is_that_of_torch(found, trained, used[0])
    rows = mapper.begin_scan(used[0].shape[1:], dtype=used[0].dtype)
    parts = [rows.push_rows(used[0][:, i : i + 48]) for i in range(0, used[0].shape[1], 48)]
    np.testing.assert_array_equal(np.concatenate([p.mean for p in parts if p is not None], axis=1), found.mean)
    manifest = ModelFile.read(path).manifest
    assert manifest.training.likelihood == settings.get("likelihood", "gaussian")
    assert manifest.training.decoder == settings.get("decoder", "template")
    assert manifest.training.classes == settings.get("classes", ())
    assert len(manifest.training.sd_scale) >= 1


def test_angles_are_in_degrees_within_half_a_period_and_sizes_in_per_cent(frames, tmp_path):
    trained = train([frames[0][:1]], replace(QUICK, **PLANAR, rotation=2, scale=True, content=0))
    write(tmp_path / "m.svae", trained, [frames[0][:1]])
    mapper = LatentMapper(tmp_path / "m.svae", stride=8)
    found, latents = mapper.map(frames[0][:1]), mapper.model.manifest.latents
    assert [(latent.kind, latent.unit, latent.period) for latent in latents[2:]] == [
        ("rotation", "deg", 180.0),
        ("scale", "%", None),
    ]
    assert np.abs(found["phi"]).max() <= 90
    assert np.ptp(found["phi"]) > 10
    assert np.abs(found["scale"]).max() < 100 * (np.exp(0.5) - 1) + 1e-3
    assert np.isnan(found.on_pixels()[2]).all()  # angles may not be averaged


def test_the_decoder_of_a_class_conditional_model_is_told_the_class(frames, tmp_path):
    used = [frame[:1] for frame in frames]
    used[1] = used[1].max() - used[1]
    write(tmp_path / "m.svae", train(used, replace(QUICK, classes=("bright", "dark"))), used)
    model = ModelFile.read(tmp_path / "m.svae")
    latents = np.zeros((2, 4), np.float32)
    one, other = run_graph(model.decoder_graph, {"latents": latents, "class": np.eye(2, dtype=np.float32)})[0]
    assert np.corrcoef(one.ravel(), other.ravel())[0, 1] < 0.9


def test_classes_are_numbered_by_their_first_frame():
    names, labels = labels_of_frames(("b", "a", "b"))
    assert names == ("b", "a")
    assert labels.tolist() == [0, 1, 0]
    assert labels_of_frames(()) == ((), None)


def test_every_frame_has_a_class_or_none_has(frames):
    with pytest.raises(FrameError, match="expected a class for each of 2 frames, got 3"):
        train([frame[:1] for frame in frames], replace(QUICK, classes=("a", "b", "c")))


def test_a_signal_does_not_turn():
    with pytest.raises(TrainingError, match="got signals, which do not turn"):
        train([np.random.default_rng(0).random((1, 1, 400))], replace(QUICK, **PLANAR, rotation=1))


def test_poisson_is_of_counts():
    frame = small_microscope().frame(0).pixels[None].astype(float)
    with pytest.raises(FrameError, match="values below 0"):
        train([frame - 100], replace(QUICK, likelihood="poisson"))
