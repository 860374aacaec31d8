"""A motif that turns: trained on one scan, exported, and mapped on another, by the runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from turning_frames import linear_r2, off_in_turn, turning_frame

from shiftvae_rt import LatentMapper
from shiftvae_rt.encode.onnx_graph import run_graph
from shiftvae_rt.errors import ModelFileError
from shiftvae_rt.model.model_file import ModelFile, pack_model_file
from shiftvae_training.export import export_model
from shiftvae_training.fitting.settings import Settings
from shiftvae_training.train import train


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A model of features that turn and differ in size; a rough encoder, since the rounds do the rest."""
    frame = turning_frame(0, grows=True).pixels
    settings = Settings(
        window=26, content=1, shift="planar", rotation=1, scale=True, encoder="mlp", steps=600, constraints={}
    )
    path = tmp_path_factory.mktemp("turning") / "model.svae"
    export_model(path, train([frame], settings), [frame], sources=(), pixel_size_nm=None)
    return path


@pytest.fixture(scope="module")
def mapped(model):
    """Another scan, its map, and row and column of the window nearest to each of its features."""
    scan = turning_frame(1, grows=True)
    found = LatentMapper(model, stride=2).map(scan.pixels)
    rows, cols = (
        np.abs(scan.place[:, axis, None] - centres).argmin(1)
        for axis, centres in enumerate((found.centre_y_px, found.centre_x_px))
    )
    return scan, found, rows, cols


def test_turn_size_and_content_are_read_off_another_scan(mapped):
    scan, found, rows, cols = mapped
    at = dict(zip(found.names, found.mean[:, rows, cols].astype(float), strict=True))
    assert list(at) == ["dy", "dx", "phi", "scale", "z1"]
    assert off_in_turn(np.radians(at["phi"]), scan.turn) < 3.0
    size = at["scale"] - 100 * np.expm1(scan.growth)
    assert size.std() < 2.5
    assert linear_r2(at["z1"][:, None], scan.bright) > 0.9
    assert all(found.varies)


def test_deviations_are_near_the_errors(mapped):
    scan, found, rows, cols = mapped
    off = np.exp(1j * (np.radians(found.mean[2, rows, cols]) - scan.turn))
    scores = np.degrees(np.angle(off / off.mean())) / found.std[2, rows, cols]
    assert 0.5 < np.mean(np.abs(scores) < 1) < 0.95


def test_rows_give_the_bits_of_the_whole_frame(model, mapped):
    scan, whole, *_ = mapped
    mapper = LatentMapper(model, stride=2)
    live = mapper.begin_scan(scan.pixels.shape[1:], dtype=scan.pixels.dtype)
    for top in range(0, scan.pixels.shape[1], 17):
        live.push_rows(scan.pixels[:, top : top + 17])
    np.testing.assert_array_equal(live.result().mean, whole.mean)
    np.testing.assert_array_equal(live.result().std, whole.std)
    shared = LatentMapper(model, stride=2, threads=3).map(scan.pixels)
    np.testing.assert_array_equal(shared.mean, whole.mean)


def test_the_graph_for_any_program_gives_the_same_map(model, mapped):
    scan, whole, *_ = mapped
    file = ModelFile.read(model)
    part = scan.pixels[:, :90, :110].astype(np.float32) - 40
    mean, std = run_graph(file.encoder_graph(2), {"frame": part[None]})
    rows, cols = mean.shape[2:]
    spread = np.array([latent.spread for latent in file.manifest.latents])[:, None, None]
    off = mean[0] - whole.mean[:, :rows, :cols]
    off[2] -= 360 * np.rint(off[2] / 360)
    assert np.abs(off / spread).max() < 1e-3
    np.testing.assert_allclose(std[0], whole.std[:, :rows, :cols], rtol=1e-2)


def test_constants_of_another_model_are_refused(model):
    file = ModelFile.read(model)
    members = {name: file.graph(name) for name in file.manifest.members}
    members["rounds.onnx"] = members["layers.onnx" if "layers.onnx" in members else "filters.onnx"]
    with pytest.raises(ModelFileError, match="export the model again"):
        LatentMapper(ModelFile.from_bytes(pack_model_file(file.manifest, members), "other.svae"))


def test_a_file_whose_rounds_are_lost_is_refused(model):
    """The map would be the rough one of the encoder: the model's own test frame shows it."""
    file = ModelFile.read(model)
    members = {name: file.graph(name) for name in file.manifest.members if name != "rounds.onnx"}
    with pytest.raises(ModelFileError, match="comes out wrong"):
        LatentMapper(ModelFile.from_bytes(pack_model_file(file.manifest, members), "other.svae"))
