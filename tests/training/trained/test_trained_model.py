"""A trained model in a program: equal bits after a file, windows to latents and back, pictures, copies."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from tiny_models import tiny_domain, tiny_manifest, tiny_members, tiny_weights

from shiftvae_rt import DataFileError, Frame, FrameError, LatentMapper, ModelFile, ModelFileError, PixelSizeError
from shiftvae_rt.kernels.windows import extract_windows
from shiftvae_rt.model.model_file import pack_model_file
from shiftvae_training import TrainedModel, load


@pytest.fixture(scope="module")
def frame(scan):
    return scan.microscope.frame(1).pixels


@pytest.fixture(scope="module")
def windows(frame):
    return extract_windows(frame[None], (16, 16), 20)


@pytest.fixture(scope="module")
def line() -> TrainedModel:
    """A model of signals with random weights."""
    return tiny(tiny_weights(dimensions=1))


def tiny(weights, **changes) -> TrainedModel:
    manifest = tiny_manifest(weights, **{"domain": tiny_domain(weights), **changes})
    return TrainedModel(ModelFile.from_bytes(pack_model_file(manifest, tiny_members(weights)), "tiny.svae"))


def saved(model, folder):
    model.save(folder / "m.svae")
    return load(folder / "m.svae")


AGAIN = {
    "file": saved,
    "pickle": lambda model, _: pickle.loads(pickle.dumps(model)),
    "deepcopy": lambda model, _: copy.deepcopy(model),
}


@pytest.mark.parametrize("again", AGAIN.values(), ids=AGAIN)
def test_a_model_comes_back_with_equal_bits(model, frame, windows, tmp_path, again):
    other = again(model, tmp_path)
    assert other == model
    assert hash(other) == hash(model)
    assert other.history == model.history
    assert (other.names, other.units, other.window) == (("dy", "dx", "z1", "z2"), ("px", "px", "", ""), (16, 16))
    here, there = model.map(frame), other.map(frame)
    assert np.array_equal(here.mean, there.mean)
    assert np.array_equal(here.std, there.std)
    for one, two in zip(model.encode(windows), other.encode(windows), strict=True):
        assert np.array_equal(one, two)
    latents = model.encode(windows)[0]
    assert np.array_equal(model.decode(latents), other.decode(latents))
    assert other.report().html == model.report().html


def test_saving_writes_the_file_and_its_report_beside_it(model, tmp_path):
    model.save(tmp_path / "m.svae")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.html", "m.svae"]
    assert (tmp_path / "m.svae").read_bytes() == model.file.to_bytes()
    assert (tmp_path / "m.html").read_text() == model.report().html


def test_a_name_that_is_no_model_file_is_refused_before_it_is_written(model, tmp_path):
    with pytest.raises(ModelFileError, match=r"\.svae.*m\.pt"):
        model.save(tmp_path / "m.pt")
    with pytest.raises(DataFileError, match="nowhere"):
        model.save(tmp_path / "nowhere" / "m.svae")
    assert list(tmp_path.iterdir()) == []


def test_windows_say_what_the_map_says_of_them(model, frame, windows, scan):
    mean, std = model.encode(windows)
    assert mean.shape == std.shape == (*windows.shape[:2], 4)
    wanted = model.map(frame, stride=4)
    spread = np.array([latent.spread for latent in model.file.manifest.latents])
    for found, there in ((mean, wanted.mean), (std, wanted.std)):
        off = np.abs(found - there[:, ::5, ::5].transpose(1, 2, 0))
        period = np.array([12, 12, np.inf, np.inf])
        off = np.minimum(off, np.abs(period - off))  # a shift at the edge of the cell may come out on either side
        assert (off / spread).max() < 1e-4


def test_windows_of_one_channel_need_no_axis_for_it(model, windows):
    whole = model.encode(windows)[0]
    assert np.array_equal(model.encode(windows[:, :, 0])[0], whole)
    assert np.array_equal(model.encode(windows[0, :1, 0])[0], whole[0, :1])
    assert model.encode(windows[0][:0])[0].shape == (0, 4)


def test_many_windows_are_those_that_they_are_one_by_one(model, frame):
    many = extract_windows(frame[None], (16, 16), 8).reshape(-1, 16, 16)
    assert len(many) > 256
    all_of_them = model.encode(many)[0]
    np.testing.assert_allclose(model.encode(many[300:301])[0], all_of_them[300:301], atol=1e-5)


def test_an_offset_does_not_cost_digits(model, windows):
    here, there = model.encode(windows)[0], model.encode(windows.astype(np.float64) + 1e6)[0]
    np.testing.assert_allclose(here, there, atol=2e-4)


def test_a_window_is_drawn_as_it_is(model, windows):
    drawn = model.decode(model.encode(windows)[0])
    assert drawn.shape == windows.shape
    seen = windows - windows.mean((-1, -2), keepdims=True)
    r = np.corrcoef(seen.ravel(), (drawn * seen.std((-1, -2), keepdims=True)).ravel())[0, 1]
    assert r > 0.95
    np.testing.assert_allclose(drawn.mean((-1, -2)), 0, atol=1e-5)


@pytest.mark.parametrize(
    ("windows", "message"),
    [
        (np.zeros((3, 16, 15)), r"\(n, 1, 16, 16\) or \(n, 16, 16\).*\(3, 16, 15\)"),
        (np.zeros((16, 16)), r"\(n, 16, 16\).*\(16, 16\)"),
        (np.full((2, 16, 16), np.nan), "512 NaN"),
        (np.zeros((2, 16, 16), complex), "complex128"),
    ],
)
def test_windows_that_are_none_are_refused(model, windows, message):
    with pytest.raises(FrameError, match=message):
        model.encode(windows)


@pytest.mark.parametrize(
    ("latents", "options", "message"),
    [
        (np.zeros((3, 2)), {}, r"\(\.\.\., 4\): dy, dx, z1, z2; got shape \(3, 2\)"),
        ([np.nan, 0, 0, 0], {}, "1 that are NaN"),
        (np.zeros(4), {"motif": "bright"}, "motif to be None.*'bright'"),
    ],
)
def test_latents_that_are_none_are_refused(model, latents, options, message):
    with pytest.raises(FrameError, match=message):
        model.decode(latents, **options)


def test_a_traversal_walks_one_latent_and_holds_the_others(model):
    walk = model.traverse("z1")
    assert walk.windows.shape == (9, 1, 16, 16)
    spread = model.file.manifest.latents[2].spread
    np.testing.assert_allclose(walk.values[0], np.linspace(-2 * spread, 2 * spread, 9), rtol=1e-6)
    assert np.array_equal(walk.windows[4], model.decode(np.zeros(4)))
    assert np.array_equal(walk.windows[0], model.decode([0, 0, walk.values[0][0], 0]))
    given = model.traverse("dx", values=[-3.0, 0.0, 3.0])
    assert np.array_equal(given.windows[2], model.decode([0, 3.0, 0, 0]))
    moved = [window[0].mean(axis=0).argmax() for window in given.windows]
    assert moved[2] - moved[0] == 6


def test_a_manifold_is_a_plane_of_two_latents(model):
    plane = model.manifold("z1", "z2", values=([-1.0, 0.0, 1.0], [0.0, 0.5]))
    assert plane.windows.shape == (3, 2, 1, 16, 16)
    assert np.array_equal(plane.windows[2, 1], model.decode([0, 0, 1.0, 0.5]))
    assert model.manifold().windows.shape == (7, 7, 1, 16, 16)


def test_an_unknown_latent_names_those_that_there_are(model):
    with pytest.raises(KeyError, match="z9.*dy, dx, z1, z2"):
        model.traverse("z9")
    with pytest.raises(KeyError, match="w1.*dy, dx, z1, z2"):
        model.manifold("z1", "w1")


def test_traversals_are_drawn_for_images_and_signals(model, line):
    for walk in (model.traverse("z1"), model.manifold(), line.traverse("z1"), line.manifold()):
        figure = walk.plot()
        assert figure._repr_png_().startswith(b"\x89PNG")
        assert "z1" in repr(walk)
        assert walk._repr_html_().count("<img ") == 1
    labels = [text.get_text() for text in model.traverse("z1", values=[-1, 0, 1]).plot().axes[0].get_xticklabels()]
    assert labels == ["-1", "+0", "+1"]
    with pytest.raises(IndexError):
        model.traverse("z1").plot(channel=1)


def test_signals_have_no_height(line):
    signal = np.random.default_rng(0).normal(size=(5, 16))
    mean, _ = line.encode(signal)
    assert mean.shape == (5, 3)
    assert np.array_equal(line.encode(signal[:, None])[0], mean)
    assert np.array_equal(line.encode(signal[:, None, None])[0], mean)
    assert line.decode(mean).shape == (5, 1, 1, 16)
    assert line.map(np.random.default_rng(0).normal(size=100)).names == ("dx", "z1", "z2")


def test_several_channels_need_their_axis():
    both = tiny(tiny_weights(channels=2))
    windows = np.random.default_rng(0).normal(size=(4, 2, 16, 16))
    assert both.encode(windows)[0].shape == (4, 4)
    with pytest.raises(FrameError, match=r"\(n, 2, 16, 16\), got \(4, 16, 16\)"):
        both.encode(windows[:, 0])


def test_a_frame_brings_its_pixel_size(model, frame):
    assert model.map(Frame(frame, 0.03)).pixel_size_nm == (0.03, 0.03)
    with pytest.raises(PixelSizeError, match="0.06|60"):
        model.map(Frame(frame, 0.06))
    assert model.map(Frame(frame, 0.06), pixel_size_nm=0.03).pixel_size_nm == (0.03, 0.03)


def test_a_mapper_is_made_once(model):
    assert isinstance(model.mapper(stride=8), LatentMapper)
    assert model.mapper(stride=8) is model.mapper(stride=8)
    assert model.mapper(stride=8) is not model.mapper(stride=2)


def test_a_notebook_sees_what_it_is_and_a_picture(model):
    page = model._repr_html_()
    assert "TrainedModel" in page
    assert page.count("<img ") == 1
    assert "degrees" in page
    assert "400 steps" in page
    assert len(repr(model)) < 120
    assert "mlp" in repr(model)
    assert "16 x 16" in repr(model)


def test_a_report_is_shown_in_a_notebook_and_a_browser(model, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    report = model.report()
    path = report.open()
    try:
        assert opened == [path.as_uri()]
        assert path.read_text(encoding="utf-8") == report.html
    finally:
        path.unlink()
    assert report._repr_html_().startswith("<iframe srcdoc=")
    assert '"' not in report._repr_html_().split('srcdoc="')[1].split('" style')[0]
    assert len(repr(report)) < 100


def test_what_a_model_lacks_is_said(line):
    with pytest.raises(ModelFileError, match="no report"):
        line.report()
    assert line.history == ()
    assert line.traverse("z1").windows.shape == (9, 1, 1, 16)
    members = tiny_members(tiny_weights())
    del members["decoder.onnx"]
    blind = TrainedModel(
        ModelFile.from_bytes(pack_model_file(tiny_manifest(tiny_weights(), domain=None), members), "blind.svae")
    )
    with pytest.raises(ModelFileError, match="no decoder"):
        blind.decode(np.zeros(4))
    assert "<img" not in blind._repr_html_()
