"""A model file is written when it is exactly the trained model, and not otherwise."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
import torch

from shiftvae_rt import LatentMapper, ModelFile
from shiftvae_rt.encode.modulo import Latents, difference
from shiftvae_rt.encode.onnx_graph import run_graph
from shiftvae_rt.errors import DataFileError, TrainingError
from shiftvae_rt.model.manifest import DataSource
from shiftvae_training import export, golden
from shiftvae_training.export import export_model
from shiftvae_training.fitting.settings import Settings
from shiftvae_training.train import train

SOURCES = (DataSource(name="scan.npy", sha256="00", frames=1, shape=(1, 192, 192), dtype="uint16"),)


def write(path, trained, frames, pixel_size_nm=0.03):
    return export_model(path, trained, frames, sources=SOURCES, pixel_size_nm=pixel_size_nm)


@pytest.fixture(scope="module")
def written(scan, tmp_path_factory):
    path = tmp_path_factory.mktemp("export") / "small.svae"
    return path, write(path, scan.trained, scan.frames)


def assert_map_is_that_of_torch(latent_map, trained, frame) -> None:
    mean, std = trained.model.map_frame(frame.astype(np.float32), latent_map.grid.stride)
    lattice = trained.model.weights().lattice[:, 2 - trained.model.dimensions :]
    latents = Latents(lattice, [latent.period for latent in trained.model.reported])
    off, _ = difference((latent_map.mean, latent_map.std), (mean, std), latents)
    scale = np.maximum(mean.std(axis=(1, 2)), std.mean(axis=(1, 2)))[:, None, None]
    assert np.abs(off / scale).max() < 1e-3
    np.testing.assert_allclose(latent_map.std, std, rtol=1e-3)


def test_the_file_is_as_exact_as_it_must_be(written):
    _, parity = written
    assert 0 < parity.against_torch <= 1e-4
    assert 0 <= parity.against_windows <= 1e-5


@pytest.mark.parametrize("stride", [1, 2, 4, 8, 16])
def test_the_runtime_maps_as_torch_does(written, scan, stride):
    frame = scan.microscope.frame(2).pixels
    latent_map = LatentMapper(written[0], stride=stride).map(frame)
    assert_map_is_that_of_torch(latent_map, scan.trained, frame[None])


def test_the_manifest_tells_what_the_model_is(written, scan):
    manifest, trained = ModelFile.read(written[0]).manifest, scan.trained
    assert [latent.name for latent in manifest.latents] == ["dy", "dx", "z1", "z2"]
    assert [latent.unit for latent in manifest.latents] == ["px", "px", "", ""]
    assert [latent.kl_nats for latent in manifest.latents] == pytest.approx(list(trained.kl_nats))
    assert [latent.spread for latent in manifest.latents] == pytest.approx(list(trained.spread))
    assert (manifest.dimensions, manifest.channels, manifest.window) == (2, 1, (16, 16))
    assert manifest.strides == (1, 2, 4, 8)
    assert manifest.encoder == "mlp"
    assert manifest.pixel_size_nm == (0.03, 0.03)
    assert manifest.data == SOURCES
    np.testing.assert_allclose(manifest.lattice, trained.lattice.vectors, rtol=1e-5)
    assert manifest.training.steps == 400
    assert manifest.training.seed == 0
    assert manifest.training.constraints == {"displacement": 100.0, "smooth": 10.0}
    assert manifest.training.period_confidence > 0.9
    assert manifest.intensity.channel_scale == trained.model.channel_scale
    low, high = manifest.training.window_mean
    assert low < scan.frames[0].mean() < high
    assert set(manifest.versions) >= {"shiftvae-rt", "torch", "onnx", "numpy", "python"}


def test_the_decoder_in_the_file_draws_the_windows(written, scan):
    model, frame = ModelFile.read(written[0]), scan.frames[0]
    latent_map = LatentMapper(model, stride=8).map(frame[0])
    latents = latent_map.mean.reshape(4, -1).T
    windows = run_graph(model.decoder_graph, {"latents": np.ascontiguousarray(latents)})[0]
    tensor = torch.from_numpy(frame[None].astype(np.float32)) * scan.trained.model.channel_scale[0]
    wanted = scan.trained.model.windows(tensor, 8)[0].flatten(0, 2).numpy()
    left = np.square(windows - wanted).mean()
    assert left < 0.4  # of a variance of 1
    assert left == pytest.approx(float(scan.trained.model.noise_sd) ** 2, rel=0.4)


def test_a_line_exports_and_maps(line, tmp_path):
    signal, frames, trained = line
    path = tmp_path / "line.svae"
    parity = write(path, trained, frames, pixel_size_nm=None)
    assert parity.against_torch <= 1e-4
    latent_map = LatentMapper(path).map(signal.samples)
    assert latent_map.names == ("dx", "z1", "z2")
    assert latent_map.pixel_size_nm is None
    assert_map_is_that_of_torch(latent_map, trained, frames[0])


@pytest.mark.parametrize(
    "settings", [{"encoder": "convolutional"}, {"shift": "planar", "window": 20}, {"content": 0}], ids=str
)
def test_every_kind_of_model_exports_and_maps(scan, tmp_path, settings):
    trained = train(scan.frames, Settings(**{"encoder": "mlp", "steps": 40, **settings}))
    path = tmp_path / "m.svae"
    write(path, trained, scan.frames)
    assert_map_is_that_of_torch(LatentMapper(path).map(scan.frames[0][0]), trained, scan.frames[0])
    manifest = ModelFile.read(path).manifest
    planar = settings.get("shift") == "planar"
    assert manifest.training.shift_prior.startswith("nearly uniform within" if planar else "uniform over the cell")


@pytest.mark.parametrize("layer", ["stem", "head", "anchor"])
def test_a_graph_that_is_not_the_model_is_not_written(scan, tmp_path, monkeypatch, layer):
    """Weights changed between torch and ONNX, by a thousandth."""
    true_graph = export.encoder_graph

    def tampered(weights, stride, rounds):
        if layer == "stem":
            first = weights.stem[0].weight.copy()
            first[0] *= 1.01
            weights = _replaced(weights, stem=(type(weights.stem[0])(first, 1), *weights.stem[1:]))
        elif layer == "head":
            weight, bias = weights.head[-1]
            weights = _replaced(weights, head=(*weights.head[:-1], (weight, bias + np.float32(1e-3))))
        else:
            weights = _replaced(weights, anchor=weights.anchor + 0.01)
        return true_graph(weights, stride, rounds)

    monkeypatch.setattr(export, "encoder_graph", tampered)
    path = tmp_path / "m.svae"
    with pytest.raises(TrainingError, match=r"differs from torch by .* \(at most 0\.0001\).*nothing was written"):
        write(path, scan.trained, scan.frames)
    assert list(tmp_path.iterdir()) == []


def _replaced(weights, **changes):
    return type(weights)(**{**vars(weights), **changes})


def test_a_graph_that_is_another_on_a_frame_than_on_its_windows_is_not_written(scan, tmp_path, monkeypatch):
    true_run = golden.run_graph

    def run(graph, inputs):
        outputs = true_run(graph, inputs)
        return [o + np.float32(1e-3) for o in outputs] if len(inputs["frame"]) > 1 else outputs

    monkeypatch.setattr(golden, "run_graph", run)
    with pytest.raises(TrainingError, match=r"from window-by-window encoding by .* \(at most 1e-05\)"):
        write(tmp_path / "m.svae", scan.trained, scan.frames)
    assert list(tmp_path.iterdir()) == []


def test_a_model_with_nan_is_not_written(scan, tmp_path):
    trained = train(scan.frames, Settings(encoder="mlp", steps=2))
    with torch.no_grad():
        trained.model.encoder.linears[-1].bias[-1] = torch.nan
    with pytest.raises(TrainingError, match="nan"):
        write(tmp_path / "m.svae", trained, scan.frames)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_named(scan, tmp_path):
    with pytest.raises(DataFileError, match="nowhere"):
        write(tmp_path / "nowhere" / "m.svae", scan.trained, scan.frames)


def test_two_exports_differ_in_their_time_alone(scan, tmp_path):
    for name in ("one", "two"):
        write(tmp_path / f"{name}.svae", scan.trained, scan.frames)
    one, two = (ModelFile.read(tmp_path / f"{name}.svae") for name in ("one", "two"))
    assert msgspec.structs.replace(one.manifest, created="") == msgspec.structs.replace(two.manifest, created="")
