"""Models of pyroVED and AtomAI as model files: their encodings, in our units, from raw frames."""

from __future__ import annotations

import argparse
import json
import math

import numpy as np
import pytest
import torch
from foreign_models import (
    atomai_encode,
    atomai_encoder,
    dense,
    places_of,
    pyroved_draw,
    pyroved_encode,
    pyroved_model,
)

from shiftvae_rt import LatentMapper, ModelFile
from shiftvae_rt.encode.onnx_graph import run_graph
from shiftvae_rt.errors import FrameError, ModelFileError, WindowError
from shiftvae_training.commands import import_model as import_command
from shiftvae_training.commands.import_model import parse_invariances
from shiftvae_training.graphs.graph_builder import GraphBuilder
from shiftvae_training.importing.functions import cosine_and_sine, softplus
from shiftvae_training.importing.scaling import parse_scaling

WINDOW = 16
#: "Equal": of a latent's prior deviation.
EQUAL = 1e-5


@pytest.fixture
def frame():
    """Counts of an uneven scan."""
    return np.random.default_rng(3).poisson(np.linspace(20, 400, 60)[:, None], (60, 52)).astype(np.uint16)


@pytest.fixture
def convert(tmp_path, frame):
    """Import `weights`; the mapper of the file, every window of `frame`."""

    def convert(weights, package, invariances, *options, scan=frame):
        torch.save(weights, tmp_path / "w.pt")
        np.save(tmp_path / "scan.npy", scan)
        shiftvae_import(
            tmp_path / "w.pt", tmp_path / "scan.npy", "-o", tmp_path / "m.svae", "--from", package,
            "--invariances", invariances, "--force", *options,
        )  # fmt: skip
        return LatentMapper(tmp_path / "m.svae", stride=4)

    return convert


def shiftvae_import(*arguments):
    parser = argparse.ArgumentParser(exit_on_error=False)
    import_command.add_arguments(parser)
    import_command.run(parser.parse_args([*map(str, arguments)]))


def windows_of(frame, size=WINDOW):
    """Every 4th window along both axes, ``(n, h, w)`` float64."""
    return np.lib.stride_tricks.sliding_window_view(frame.astype(float), (size, size))[::4, ::4].reshape(-1, size, size)


def columns(found, part):
    return getattr(found, part).reshape(len(found.names), -1).T


def shift_px(latents, prior=0.1, window=WINDOW):
    """pyroVED's shift latents in px, down and right."""
    return latents * torch.tensor([-1.0, 1.0]) * prior * (window - 1) / 2


def assert_equal(found, mean, std, unit):
    for part, wanted in (("mean", mean), ("std", std)):
        off = np.abs(columns(found, part) - wanted.detach().numpy()) / unit
        assert off.max() < EQUAL, part


SCALINGS = {
    "scan": lambda w, f: (w - f.min()) / (float(f.max()) - f.min()),
    "window": lambda w, f: (w - w.min((1, 2), keepdims=True)) / np.ptp(w, axis=(1, 2), keepdims=True),
    "none": lambda w, f: w,
    "-100:900.5": lambda w, f: (w + 100) / 1000.5,
}


@pytest.mark.parametrize("scaling", SCALINGS)
def test_a_pyroved_model_encodes_raw_frames_as_its_package_encodes_scaled_windows(convert, frame, scaling):
    model = pyroved_model()
    with torch.no_grad():  # raw counts would saturate every unit
        model["encoder_z"]["fc_layers"][0].weight *= 0.01 if scaling == "none" else 1
    found = convert(model.state_dict(), "pyroved", "t", f"--scaling={scaling}").map(frame)
    windows = torch.from_numpy(SCALINGS[scaling](windows_of(frame), frame)).float()
    mean, std = pyroved_encode(model, windows)
    assert found.names == ("dy", "dx", "z1", "z2")
    px = 0.1 * (WINDOW - 1) / 2
    wanted = torch.cat([shift_px(mean[:, :2]), mean[:, 2:]], 1)
    assert_equal(found, wanted, std * torch.tensor([px, px, 1, 1]), np.array([px, px, 1, 1]))


@pytest.mark.parametrize(("name", "function"), [("relu", torch.relu), ("lrelu", torch.nn.functional.leaky_relu),
                                            ("softplus", torch.nn.functional.softplus)])  # fmt: skip
def test_the_other_activations_of_pyroved_are_its_own(convert, frame, name, function):
    model = pyroved_model()
    found = convert(model.state_dict(), "pyroved", "t", "--activation", name, "--prior", "0.5").map(frame)
    windows = torch.from_numpy(SCALINGS["scan"](windows_of(frame), frame)).float()
    mean, _ = pyroved_encode(model, windows, function)
    off = columns(found, "mean")[:, :2] - shift_px(mean[:, :2], 0.5).detach().numpy()
    assert np.abs(off).max() < EQUAL * 0.5 * (WINDOW - 1) / 2


@pytest.mark.parametrize("convolutions", [0, 2], ids=["dense", "convolutional"])
def test_an_atomai_vae_encodes_as_its_package_does(convert, frame, convolutions):
    encoder = atomai_encoder(convolutions=convolutions)
    found = convert({"encoder": encoder.state_dict(), "decoder": {}}, "atomai", "none").map(frame)
    windows = torch.from_numpy(SCALINGS["scan"](windows_of(frame), frame)).float()
    assert found.names == ("z1", "z2")
    assert_equal(found, *atomai_encode(encoder, windows), np.ones(2))


def test_signals_are_imported_from_both_packages(convert, tmp_path):
    signal = np.random.default_rng(0).normal(size=(1, 90)).astype(np.float32)
    windows = torch.from_numpy(np.lib.stride_tricks.sliding_window_view(signal[0], 40)[::4].copy())
    windows = (windows - signal.min()) / float(np.ptp(signal))
    model = pyroved_model(inputs=40, latents=3, axes=1)
    found = convert(model.state_dict(), "pyroved", "t", "--signal", scan=signal).map(signal[0])
    mean, _ = pyroved_encode(model, windows)
    wanted = mean * torch.tensor([0.1 * 39 / 2, 1, 1])  # towards higher index, as dx
    assert found.names == ("dx", "z1", "z2")
    assert np.abs(columns(found, "mean") - wanted.detach().numpy()).max() < EQUAL
    encoder = atomai_encoder(inputs=40, convolutions=1, axes=1)
    found = convert({"encoder": encoder.state_dict()}, "atomai", "none", "--signal", scan=signal).map(signal[0])
    assert np.abs(columns(found, "mean") - atomai_encode(encoder, windows)[0].detach().numpy()).max() < EQUAL


def test_turn_and_scale_are_reported_where_the_package_draws_the_motif(convert, frame):
    model = pyroved_model(latents=6)
    with torch.no_grad():
        model["encoder_z"]["fc11"].weight *= 4  # far from 0, so that the order of the steps counts
    found = convert(model.state_dict(), "pyroved", "rts", "--prior", "0.3", "--scale-prior", "0.2").map(frame)
    windows = torch.from_numpy(SCALINGS["scan"](windows_of(frame), frame)).float()
    mean = pyroved_encode(model, windows)[0].detach()
    assert found.names == ("dy", "dx", "phi", "scale", "z1", "z2")
    assert found.units == ("px", "px", "deg", "%", "", "")
    got = columns(found, "mean")
    assert np.abs(got[:, 2] - np.rad2deg(mean[:, 0].numpy())).max() < 1e-3
    assert np.abs(got[:, 4:] - mean[:, 4:].numpy()).max() < EQUAL
    for row, latent in zip(got[::9], mean[::9], strict=True):
        size = 1 + 0.2 * float(latent[3])
        assert row[3] == pytest.approx(100 * (1 / size - 1), abs=1e-3)
        places = places_of(401, float(latent[0]), (0.3 * latent[1:3]).tolist(), size)  # a finer grid of the same window
        nearest = int(places.square().sum(1).argmin())
        y, x = (nearest // 401 - 200) * 15 / 400, (nearest % 401 - 200) * 15 / 400
        assert (row[0], row[1]) == pytest.approx((y, x), abs=0.03)


def test_the_decoder_draws_what_the_package_draws_for_reported_latents(convert, frame):
    model = pyroved_model(latents=6)
    mapper = convert(model.state_dict(), "pyroved", "rts")
    latents = torch.tensor([[0.4, 1.5, -0.7, 0.3, 0.2, -1.0], [-1.2, -0.5, 0.9, -0.6, 1.1, 0.4]])
    places = torch.stack(
        [places_of(WINDOW, float(v[0]), (0.1 * v[1:3]).tolist(), 1 + 0.1 * float(v[3])) for v in latents]
    )
    wanted = pyroved_draw(model, places, latents[:, 4:]).detach().numpy().reshape(2, 1, WINDOW, WINDOW)
    size = 1 + 0.1 * latents[:, 3]
    cos, sin = latents[:, 0].cos(), latents[:, 0].sin()
    t0, t1 = latents[:, 1], latents[:, 2]
    px = 0.1 * (WINDOW - 1) / 2
    reported = torch.stack(
        [-(t0 * cos + t1 * sin) / size * px, (t1 * cos - t0 * sin) / size * px,
         latents[:, 0].rad2deg(), 100 * (1 / size - 1), *latents[:, 4:].T], 1,
    )  # fmt: skip
    drawn = run_graph(mapper.model.decoder_graph, {"latents": reported.numpy()})[0]
    assert np.abs(drawn - wanted).max() < 1e-5


def test_the_decoder_of_a_model_without_invariances_is_its_own(convert):
    model = pyroved_model(latents=2)
    layers = dense([2, 24, 16])
    model["decoder"] = torch.nn.ModuleDict({"fc_layers": layers, "out": torch.nn.Linear(16, WINDOW**2)})
    mapper = convert(model.state_dict(), "pyroved", "none")
    latents = torch.tensor([[0.3, -1.0], [2.0, 0.1]])
    wanted = torch.sigmoid(model["decoder"]["out"](layers(latents))).detach().numpy().reshape(2, 1, WINDOW, WINDOW)
    drawn = run_graph(mapper.model.decoder_graph, {"latents": latents.numpy()})[0]
    assert np.abs(drawn - wanted).max() < 1e-6


def test_rows_of_an_imported_model_give_the_bits_of_the_whole(convert, frame):
    mapper = convert(pyroved_model(latents=6).state_dict(), "pyroved", "rts", "--activation", "softplus")
    scan, rows = mapper.begin_scan(frame.shape, dtype=frame.dtype), []
    for top in range(0, 60, 7):
        band = scan.push_rows(frame[top : top + 7])
        rows += [] if band is None else [np.stack([band.mean, band.std])]
    whole = mapper.map(frame)
    assert np.array_equal(np.concatenate(rows, axis=2), np.stack([whole.mean, whole.std]))


@pytest.mark.parametrize(
    ("graph", "function", "most"),
    [
        (softplus, lambda x: np.logaddexp(0, x), 90),
        (lambda build, x: cosine_and_sine(build, x)[0], np.cos, 15),
        (lambda build, x: cosine_and_sine(build, x)[1], np.sin, 15),
    ],
    ids=["softplus", "cosine", "sine"],
)
def test_functions_are_right_and_do_not_depend_on_their_neighbours(graph, function, most):
    build = GraphBuilder()
    build.node("Identity", graph(build, "x"), output="y")
    model = build.serialise("g", {"x": ["N"]}, {"y": ["N"]})
    x = np.linspace(-most, most, 4001, dtype=np.float32)
    y = run_graph(model, {"x": x})[0]
    wanted = function(x.astype(float))
    relative = function is not np.cos and function is not np.sin
    assert np.abs((y - wanted) / (wanted if relative else 1)).max() < 2e-6
    for count in (1, 3, 13):
        assert np.array_equal(run_graph(model, {"x": x[7 : 7 + count]})[0], y[7 : 7 + count])


def test_every_program_can_run_the_graph_over_whole_frames(convert, frame):
    mapper = convert(pyroved_model().state_dict(), "pyroved", "t", "--scaling", "window")
    for stride in mapper.model.manifest.strides:
        raw = np.stack([frame, frame[::-1]])[:, None].astype(np.float32)
        mean, std = run_graph(mapper.model.encoder_graph(stride), {"frame": raw})
        found = LatentMapper(mapper.model, stride=stride).map(frame)
        assert np.abs(mean[0] - found.mean).max() < EQUAL
        assert np.abs(std[0] - found.std).max() < EQUAL


def test_the_file_says_where_it_came_from_and_what_it_expects(convert):
    manifest = convert(pyroved_model().state_dict(), "pyroved", "t", "--prior", "0.5").model.manifest
    assert manifest.training is None
    assert manifest.imported.package == "pyroVED"
    assert manifest.imported.network == "256-24-16-4 tanh"
    assert manifest.imported.priors == {"shift": 0.5}
    assert "becomes 0..1, the range of the scan" in manifest.imported.scaling
    assert manifest.data[0].name == "scan.npy"
    assert all(latent.spread > 0 for latent in manifest.latents)


def test_inspect_and_json_say_it_too(convert, tmp_path, capsys):
    from shiftvae_rt.cli import main

    convert(pyroved_model().state_dict(), "pyroved", "t", "--json")
    said = json.loads(capsys.readouterr().out)
    assert said["difference"] < EQUAL
    assert main(["inspect", str(tmp_path / "m.svae")]) == 0
    said = capsys.readouterr().out
    assert "pyroVED weights w.pt: 256-24-16-4 tanh, shift prior 0.1" in said
    assert "tried on" in said
    assert "planar shift" in said


def test_npz_weights_serve_as_well_and_need_no_decoder(convert, tmp_path, frame):
    model = pyroved_model()
    wanted = convert(model.state_dict(), "pyroved", "t").map(frame)
    arrays = {name: v.numpy() for name, v in model.state_dict().items() if name.startswith("encoder_z")}
    np.savez(tmp_path / "w.npz", **arrays)
    path = tmp_path / "n.svae"
    shiftvae_import(tmp_path / "w.npz", tmp_path / "scan.npy", "-o", path, "--from", "pyroved", "--invariances", "t")
    assert np.array_equal(LatentMapper(path, stride=4).map(frame).mean, wanted.mean)
    assert ModelFile.read(path).decoder_graph is None


class Harmful:
    """Would make a file, if unpickling ran it."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (self.path, "w"))


def test_a_file_that_would_run_code_is_refused_and_runs_none(convert, tmp_path):
    with pytest.raises(ModelFileError, match="reading it could run code"):
        convert({"encoder_z": Harmful(str(tmp_path / "made"))}, "pyroved", "t")
    assert not (tmp_path / "made").exists()


ATOMAI = atomai_encoder().state_dict(prefix="encoder.")


@pytest.mark.parametrize(
    ("weights", "package", "arguments", "error", "message"),
    [
        ({}, "pyroved", ["t"], ModelFileError, "encoder_z.fc_layers"),
        ({}, "atomai", ["none"], ModelFileError, "encoder.dense or encoder.conv"),
        ({"encoder_z.fc13.weight": torch.zeros(1)}, "pyroved", ["t"], ModelFileError, "a model with classes"),
        (pyroved_model().state_dict(), "atomai", ["rt"], ModelFileError, "encoder.dense or encoder.conv"),
        (ATOMAI, "atomai", ["t"], ModelFileError, "rt or r for an AtomAI rVAE"),
        (ATOMAI, "atomai", ["rt"], ModelFileError, "of 2 latents, got 'rt'"),
        (pyroved_model().state_dict(), "pyroved", ["none"], ModelFileError, "of 2 latents, got 'none'"),
        (pyroved_model().state_dict(), "pyroved", ["t", "--window", "24"], WindowError, "256 inputs"),
        (pyroved_model(inputs=259).state_dict(), "pyroved", ["t"], WindowError, "259 inputs"),
        (
            {k: v * math.nan for k, v in pyroved_model().state_dict().items()},
            "pyroved", ["t"], ModelFileError, "is not finite",
        ),
    ],
    ids=["empty", "empty too", "classes", "other package", "no rVAE", "too few", "no shift", "window", "not square",
         "diverged"],
)  # fmt: skip
def test_what_cannot_be_imported_is_refused_with_the_reason(convert, weights, package, arguments, error, message):
    with pytest.raises(error, match=message):
        convert(weights, package, *arguments)


def test_a_scan_of_another_kind_is_refused(convert, frame):
    with pytest.raises(FrameError, match="expected images of one channel"):
        convert(pyroved_model().state_dict(), "pyroved", "t", scan=frame.reshape(1, -1))
    with pytest.raises(FrameError, match="constant"):
        convert(pyroved_model().state_dict(), "pyroved", "t", scan=np.full_like(frame, 7))


@pytest.mark.parametrize("text", ["", "x", "tt", "none t", "tz"])
def test_invariances_are_letters_of_the_package(text):
    with pytest.raises(ValueError, match="expected letters of r, t and s"):
        parse_invariances(text)
    assert parse_invariances("tr") == "rt"
    assert parse_invariances("none") == ""


@pytest.mark.parametrize("text", ["frame", "5:1", "1", "a:b", "1:nan", ":"])
def test_a_scaling_is_a_name_or_a_range(text):
    with pytest.raises(ValueError, match="expected window, scan, none or a range"):
        parse_scaling(text)
