"""What stands at a map of each kind, in pictures and on the live page alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_models import write_tiny_model

from shiftvae_rt import LatentMapper
from shiftvae_rt.colours import colour_table, label_colours
from shiftvae_rt.pictures.captions import drawn_field, field_caption, in_picometres, legend_of
from shiftvae_rt.pictures.latent_panels import latent_panels
from shiftvae_rt.view.maps import Maps
from shiftvae_rt.view.planes import legend, map_sources


@pytest.fixture(params=[{"grains": 2}, {"orders": 2}, {}], ids=["two grains", "two orders", "plain"])
def latent_map(request, tmp_path: Path):
    mapper = LatentMapper(write_tiny_model(tmp_path / "tiny.svae", **request.param))
    return mapper.map(np.random.default_rng(0).poisson(40, (96, 80)).astype(np.uint16))


def test_a_picture_and_the_page_show_the_same_maps_with_the_same_words_and_colours(latent_map):
    maps = Maps(latent_map, None)
    maps.put(latent_map)
    maps.follow_fields()
    panels, sources = latent_panels(latent_map), map_sources(maps, latent_map.pixel_size_nm)
    sources = [source for source in sources if source.colours != "unused"]
    assert [(p.title, p.colours, p.unit, p.limits) for p in panels] == [
        (s.title, s.colours, s.unit, s.limits) for s in sources
    ]
    for panel, source in zip(panels, sources, strict=True):
        np.testing.assert_allclose(source.values, panel.image, rtol=1e-5, err_msg=panel.title)
    said = legend(maps)
    assert said in "".join(text.get_text().replace("\n", " ") for text in latent_map.plot().texts)
    assert "light grey at its median" in said


def test_grains_have_whole_numbers_and_one_colour_each(tmp_path: Path):
    mapper = LatentMapper(write_tiny_model(tmp_path / "tiny.svae", grains=2))
    latent_map = mapper.map(np.random.default_rng(0).poisson(40, (96, 80)).astype(np.uint16))
    assert set(np.unique(latent_map.grain)) == {-1, 0, 1}
    first = latent_panels(latent_map)[0]
    assert (first.title, first.colours, first.limits) == ("grain: number of the lattice", "label", (0, 1))
    np.testing.assert_array_equal(np.isnan(first.image), latent_map.grain < 0)
    axis = next(axis for axis in latent_map.plot().axes if axis.get_title(loc="left") == first.title)
    image = axis.images[0]
    colours = image.cmap(image.norm(np.array([0.0, 1.0])))[:, :3]
    np.testing.assert_allclose(colours, colour_table("content")[[0, -1]] / 255)
    assert [text.get_text() for text in image.colorbar.ax.get_yticklabels()] == ["0", "1"]
    said = "Grain 1 is turned by 17.0 degrees counter-clockwise against grain 0"
    assert said in latent_map.plot().texts[-1].get_text().replace("\n", " ")


def test_labels_are_evenly_apart_in_the_table_of_content():
    np.testing.assert_array_equal(label_colours(3), colour_table("content")[[0, 128, 255]])


def test_a_phase_has_its_whole_circle_and_is_drawn_where_there_is_order():
    caption = field_caption("antiphase2", None)
    assert caption.title == "antiphase2: phase of the order"
    assert (caption.colours, caption.limits) == ("cyclic", (-180, 180))
    mean, sd = np.array([10.0, 20.0], np.float32), np.array([5.0, 104.0], np.float32)
    np.testing.assert_array_equal(drawn_field("antiphase2", mean, sd), [10, np.nan])
    np.testing.assert_array_equal(drawn_field("order2", mean, sd), mean)


@pytest.mark.parametrize(("name", "factor"), [("uy", 20.0), ("ux", 10.0)])
def test_a_displacement_is_in_pm_along_its_own_axis(name, factor):
    assert in_picometres(name, "px", (0.02, 0.01)) == (pytest.approx(factor), "pm")
    assert in_picometres(name, "px", None) == (1.0, "px")
    assert in_picometres(name, "%", (0.02, 0.01)) == (1.0, "%")


def test_nothing_is_explained_that_is_not_shown():
    assert legend_of((), (), (), None, shifts=False) == ""
    assert legend_of(("size",), ("nm",), (), None, shifts=False) == ""
