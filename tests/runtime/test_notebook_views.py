"""What a notebook does with a map and a mapper: show, draw, copy, pickle, hand on to other packages."""

from __future__ import annotations

import copy
import pickle
import re
import sys

import numpy as np
import pytest
from tiny_models import write_tiny_model

from shiftvae_rt import Frame, FrameError, LatentMapper
from shiftvae_rt.colours import colour_table
from shiftvae_rt.pictures.captions import field_caption

hyperspy = pytest.mark.skipif(
    not __import__("importlib.util").util.find_spec("hyperspy"), reason="HyperSpy is not installed"
)


@pytest.fixture(scope="module", params=[2, 1], ids=["image", "line"])
def mapper(request, tmp_path_factory) -> LatentMapper:
    path = tmp_path_factory.mktemp("model") / "tiny.svae"
    return LatentMapper(write_tiny_model(path, dimensions=request.param), stride=8)


@pytest.fixture(scope="module")
def frame(mapper):
    shape = (200,) if mapper.model.manifest.dimensions == 1 else (48, 200)
    return np.random.default_rng(3).poisson(100, shape).astype(np.uint16)


@pytest.fixture(scope="module")
def latent_map(mapper, frame):
    return mapper.map(frame, pixel_size_nm=(0.02, 0.02))


@pytest.mark.parametrize(
    "again", [copy.deepcopy, lambda thing: pickle.loads(pickle.dumps(thing))], ids=["copy", "pickle"]
)
def test_a_mapper_and_a_map_come_back_with_equal_bits(mapper, latent_map, frame, again):
    other = again(mapper)
    assert other.model.to_bytes() == mapper.model.to_bytes()
    assert (other.stride, other.threads, other.provider) == (8, 1, "native")
    here, there = latent_map, other.map(frame, pixel_size_nm=(0.02, 0.02))
    for found in (again(latent_map), there):
        assert np.array_equal(found.mean, here.mean)
        assert np.array_equal(found.std, here.std)
        assert np.array_equal(found.window_scores, here.window_scores)
        assert (found.names, found.domain, found.grid) == (here.names, here.domain, here.grid)


def test_a_repr_is_one_line_that_names_window_and_latents(mapper, latent_map):
    for words in (repr(mapper), repr(latent_map)):
        assert len(words) < 160
        assert "\n" not in words
        assert "z1" in words
        assert mapper.model.sha256[:8] in words
    assert "window" in repr(mapper)


def test_a_notebook_shows_facts_and_a_small_picture(mapper, latent_map):
    for page in (mapper._repr_html_(), latent_map._repr_html_()):
        assert "&lt;Latent" in page
        assert page.count("<img ") == 1
        assert page.startswith("<div>")
        assert len(page) < 200_000
    assert "20 pm" in mapper._repr_html_()


def test_a_picture_shows_content_and_fields_with_scales_and_raw_shifts_on_request(latent_map, frame):
    figure = latent_map.plot()
    titles = [axis.get_title(loc="left") for axis in figure.axes if axis.get_title(loc="left")]
    line = latent_map.mean.shape[1] == 1
    fields = [] if line else [field_caption(name, latent_map.lattice).title for name in latent_map.fields.names]
    assert titles == ["z1", "z2", *fields]
    assert "dx: shift right" in [axis.get_title(loc="left") for axis in latent_map.plot(raw_shifts=True).axes]
    for axis in figure.axes:
        bars = [text.get_text() for text in axis.texts if re.fullmatch(r"[0-9.]+ nm", text.get_text())]
        assert len(bars) == (len(axis.images) == 1)
    assert figure._repr_png_().startswith(b"\x89PNG")
    beside = latent_map.plot(frame)
    what = "signal" if line else "frame"
    assert what in [axis.get_title(loc="left") for axis in beside.axes]
    assert latent_map.plot(Frame(frame)).axes[0].get_title(loc="left") == what


def test_the_colours_are_those_of_the_table(latent_map):
    expected = {"z1": "content", "uy: displacement down": "signed", "exx: strain along x": "signed"}
    drawn = {axis.get_title(loc="left"): axis.images[0].cmap for axis in latent_map.plot().axes if axis.images}
    for title, name in expected.items() if drawn else ():
        np.testing.assert_array_equal(drawn[title].colors, colour_table(name) / 255)
    assert bool(drawn) == (latent_map.mean.shape[1] > 1)


def test_another_frame_is_not_drawn_beside_a_map(latent_map, frame):
    with pytest.raises(FrameError, match=r"expected the frame that was mapped.*200.*got shape .*199"):
        latent_map.plot(frame[..., 1:])


def test_xarray_has_the_windows_centres_in_nm(latent_map):
    pytest.importorskip("xarray")
    data = latent_map.to_xarray()
    assert np.array_equal(data["mean"].sel(latent="z1"), latent_map["z1"])
    assert np.array_equal(data["std"], latent_map.std)
    assert data["mean"].dims == ("latent", "y", "x")
    np.testing.assert_allclose(data["x"], 0.02 * latent_map.centre_x_px)
    np.testing.assert_allclose(data["y"], 0.02 * latent_map.centre_y_px)
    assert data["x"].attrs["units"] == "nm"
    assert data.attrs["model_sha256"] == latent_map.model_sha256
    data["mean"][:] = 0
    assert latent_map.mean.any()


def test_without_a_pixel_size_axes_are_in_px(mapper, frame):
    pytest.importorskip("xarray")
    data = mapper.map(frame).to_xarray()
    assert data["x"].attrs["units"] == "px"
    assert data["x"][1] - data["x"][0] == 8


@hyperspy
def test_hyperspy_has_calibrated_axes_and_the_variance(latent_map):
    signal = latent_map.to_hyperspy()
    line = latent_map.mean.shape[1] == 1
    mean, std = (values[:, 0] if line else values for values in (latent_map.mean, latent_map.std))
    assert np.array_equal(signal.data, mean)
    np.testing.assert_allclose(signal.get_noise_variance().data, std**2)
    assert [axis.units for axis in signal.axes_manager.signal_axes] == ["nm"] * (1 if line else 2)
    assert signal.axes_manager.signal_axes[0].scale == pytest.approx(8 * 0.02)
    assert signal.axes_manager.signal_axes[0].offset == pytest.approx(0.02 * latent_map.centre_x_px[0])
    assert signal.metadata.shiftvae.latent_names == ", ".join(latent_map.names)
    assert signal.metadata.has_item("shiftvae.fields") != line
    if not line:
        fields = signal.metadata.shiftvae.fields
        assert np.array_equal(fields.data, latent_map.fields.mean)
        np.testing.assert_allclose(fields.get_noise_variance().data, latent_map.fields.std**2)
        assert fields.axes_manager.signal_axes[0].scale == pytest.approx(8 * 0.02)


@pytest.mark.parametrize(
    ("package", "method"), [("xarray", "to_xarray"), ("hyperspy.api", "to_hyperspy"), ("matplotlib", "plot")]
)
def test_a_missing_package_is_named_and_how_to_get_it(latent_map, monkeypatch, package, method):
    top = package.partition(".")[0]
    monkeypatch.setitem(sys.modules, top, None)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf"needs the Python package {top}.*pip install"):
        getattr(latent_map, method)()
