"""Latent maps written by us, read back by NumPy, tifffile, RosettaSciIO and Pillow."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tifffile
from PIL import Image
from rsciio.hspy import file_reader as read_hspy
from tiny_models import tiny_domain, tiny_manifest, tiny_weights

from shiftvae_rt.domain import DomainGauge
from shiftvae_rt.errors import DataFileError
from shiftvae_rt.fields import MeanLattice
from shiftvae_rt.files import read_frames, write_latent_map
from shiftvae_rt.frame import Frame, as_pixel_size
from shiftvae_rt.kernels.window_grid import WindowGrid
from shiftvae_rt.latent_map import LatentMap
from shiftvae_rt.pictures.captions import limits_of
from shiftvae_rt.pictures.panel import Panel
from shiftvae_rt.pictures.picture import draw_picture
from shiftvae_rt.pictures.scale_bar import round_length
from shiftvae_rt.verdict import DomainVerdict

NM = 0.025
ENDINGS = [".npz", ".tif", ".tiff", ".hspy", ".png", ".svg", ".pdf"]


def made_map(seed=0, *, frame_shape=(60, 80), pixel_size_nm=NM) -> LatentMap:
    """A map of noise with the fields of a real one; its last latent holds no variation."""
    line = frame_shape[0] == 1
    grid = WindowGrid(frame_shape, (1, 16) if line else (16, 16), 4)
    names = ("dx", "z1", "z2") if line else ("dy", "dx", "z1", "z2")
    mean, std = np.random.default_rng(seed).normal(size=(2, len(names), grid.rows, grid.cols)).astype(np.float32)
    units = tuple("px" if name.startswith("d") else "" for name in names)
    varies = tuple(name != "z2" for name in names)
    return LatentMap(mean, np.abs(std), names, units, varies, grid, "ab" * 32, as_pixel_size(pixel_size_nm))


def with_fields(seed=0) -> LatentMap:
    """A map of a model with a lattice of two vectors."""
    return replace(made_map(seed), lattice=MeanLattice(((8.0, 0.0), (0.0, 8.0))))


FIELD_LABELS = ["uy (px)", "ux (px)", "exx (%)", "eyy (%)", "exy (%)", "rotation (deg)"]


def test_fields_go_into_the_archive_with_their_names_and_units(tmp_path):
    latent_map = with_fields()
    mean, std = latent_map.fields.mean, latent_map.fields.std
    write_latent_map(tmp_path / "a.npz", latent_map)
    write_latent_map(tmp_path / "b.npz", [latent_map, latent_map])
    with np.load(tmp_path / "a.npz", allow_pickle=False) as read, np.load(tmp_path / "b.npz") as stack:
        np.testing.assert_array_equal(read["fields"], mean)
        np.testing.assert_array_equal(read["field_std"], std)
        assert read["field_names"].tolist() == list(latent_map.fields.names)
        assert read["field_units"].tolist() == list(latent_map.fields.units)
        np.testing.assert_array_equal(stack["fields"][1], mean)
    xarray = pytest.importorskip("xarray")
    assert isinstance(latent_map.to_xarray()["fields"].sel(field="exx"), xarray.DataArray)


def test_fields_are_pages_of_the_tiff_after_the_latents(tmp_path):
    maps = [with_fields(seed) for seed in range(2)]
    write_latent_map(tmp_path / "a.tif", maps[0])
    write_latent_map(tmp_path / "b.tif", maps)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        np.testing.assert_array_equal(file.asarray(), np.concatenate([maps[0].mean, maps[0].fields.mean]))
        assert file.imagej_metadata["Labels"][4:10] == FIELD_LABELS
        assert file.imagej_metadata["fields"].split("; ")[:6] == FIELD_LABELS
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        np.testing.assert_array_equal(file.asarray()[1, 4:], maps[1].fields.mean)


def test_fields_are_signals_of_the_hyperspy_file_with_their_deviations(tmp_path):
    maps = [with_fields(seed) for seed in range(2)]
    write_latent_map(tmp_path / "a.hspy", maps, source="scan.dm4")
    signals = {signal["metadata"]["General"]["title"]: signal for signal in read_hspy(str(tmp_path / "a.hspy"))}
    assert sorted(signals) == ["field std", "fields", "latent mean", "latent std"]
    fields = signals["fields"]
    np.testing.assert_array_equal(fields["data"], np.stack([each.fields.mean for each in maps]))
    np.testing.assert_array_equal(signals["field std"]["data"][1], maps[1].fields.std)
    assert [axis["name"] for axis in fields["axes"]] == ["frame", "field", "y", "x"]
    assert [bool(axis["navigate"]) for axis in fields["axes"]] == [True, True, False, False]
    assert fields["metadata"]["shiftvae"]["field_names"] == ", ".join(maps[0].fields.names)
    assert fields["metadata"]["shiftvae"]["field_units"] == ", ".join(maps[0].fields.units)
    assert fields["metadata"]["General"]["original_filename"] == "scan.dm4"


def judged_map() -> LatentMap:
    """A map that is out of domain."""
    weights = tiny_weights()
    gauge = DomainGauge(tiny_manifest(weights), tiny_domain(weights), 4)
    verdict = DomainVerdict(score=2.5, windows_out=0.1, reason="the period is 5 % longer")
    return replace(made_map(), domain=verdict, gauge=gauge)


@pytest.fixture
def latent_map():
    return made_map()


def drawn(path) -> np.ndarray:
    """The picture, (height, width, RGB)."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


class TestNpz:
    def test_holds_the_fields_that_the_design_names_and_no_others(self, tmp_path, latent_map):
        write_latent_map(tmp_path / "a.npz", latent_map)
        with np.load(tmp_path / "a.npz", allow_pickle=False) as read:
            about = ["names", "units", "centre_y_px", "centre_x_px", "pixel_size_nm", "model_sha256", "source"]
            verdict = ["out_of_domain", "domain_score", "domain_reason", "domain_windows"]
            assert sorted(read.files) == sorted(["mean", "std", *about, *verdict])
            np.testing.assert_array_equal(read["mean"], latent_map.mean)
            np.testing.assert_array_equal(read["std"], latent_map.std)
            assert read["mean"].dtype == read["std"].dtype == np.float32
            assert tuple(read["names"]) == latent_map.names
            assert tuple(read["units"]) == latent_map.units
            np.testing.assert_array_equal(read["centre_y_px"], latent_map.grid.centre_y_px)
            np.testing.assert_array_equal(read["centre_x_px"], latent_map.grid.centre_x_px)
            assert tuple(read["pixel_size_nm"]) == (NM, NM)
            assert str(read["model_sha256"]) == "ab" * 32

    def test_several_frames_lead_with_a_frame_axis(self, tmp_path):
        maps = [made_map(seed) for seed in range(3)]
        write_latent_map(tmp_path / "a.npz", maps)
        with np.load(tmp_path / "a.npz") as read:
            np.testing.assert_array_equal(read["mean"], np.stack([each.mean for each in maps]))

    def test_says_which_frames_and_windows_are_out_of_domain(self, tmp_path):
        known, unknown = judged_map(), made_map()
        write_latent_map(tmp_path / "a.npz", [known, unknown])
        with np.load(tmp_path / "a.npz") as read:
            assert read["out_of_domain"].tolist() == [True, False]
            np.testing.assert_array_equal(read["domain_score"], [2.5, np.nan])
            assert read["domain_reason"].tolist() == ["the period is 5 % longer", ""]
            np.testing.assert_array_equal(read["domain_windows"][0], known.window_scores)
            assert np.isnan(read["domain_windows"][1]).all()

    def test_an_unknown_pixel_size_is_nan(self, tmp_path):
        write_latent_map(tmp_path / "a.npz", made_map(pixel_size_nm=None))
        with np.load(tmp_path / "a.npz") as read:
            assert np.isnan(read["pixel_size_nm"]).all()


class TestTiff:
    def test_is_a_calibrated_imagej_stack_with_one_page_a_latent(self, tmp_path, latent_map):
        write_latent_map(tmp_path / "a.tif", latent_map)
        with tifffile.TiffFile(tmp_path / "a.tif") as file:
            assert file.series[0].axes == "CYX"
            np.testing.assert_array_equal(file.asarray(), latent_map.mean)
            about = file.imagej_metadata
            assert about["Labels"] == ["dy (px)", "dx (px)", "z1", "z2"]
            assert about["latents"] == "dy (px); dx (px); z1; z2"
            assert about["unit"] == "nm"
            assert about["xorigin"] == pytest.approx(-7.5 / 4)
            above, below = file.pages[0].tags["XResolution"].value
            assert below / above == pytest.approx(4 * NM, rel=1e-4)
        assert read_frames(tmp_path / "a.tif")[0].pixel_size_nm == pytest.approx((4 * NM, 4 * NM), rel=1e-4)

    def test_frames_are_time_points(self, tmp_path):
        maps = [made_map(seed, pixel_size_nm=None) for seed in range(3)]
        write_latent_map(tmp_path / "a.tif", maps)
        with tifffile.TiffFile(tmp_path / "a.tif") as file:
            assert file.series[0].axes == "TCYX"
            np.testing.assert_array_equal(file.asarray()[2], maps[2].mean)
            assert file.imagej_metadata["unit"] == "pixel"

    def test_says_which_frames_are_out_of_domain_and_why(self, tmp_path):
        write_latent_map(tmp_path / "a.tif", [made_map(), judged_map()])
        with tifffile.TiffFile(tmp_path / "a.tif") as file:
            about = file.imagej_metadata
            assert about["Labels"][3:6] == ["z2", "dy (px), out of domain", "dx (px), out of domain"]
            assert about["domain"] == "domain unknown | out of domain (score 2.5): the period is 5 % longer"


class TestHspy:
    def test_hyperspy_finds_mean_and_std_with_their_axes(self, tmp_path, latent_map):
        write_latent_map(tmp_path / "a.hspy", latent_map)
        mean, std = read_hspy(str(tmp_path / "a.hspy"))
        np.testing.assert_array_equal(mean["data"], latent_map.mean)
        np.testing.assert_array_equal(std["data"], latent_map.std)
        axes = [(axis["name"], axis["size"], axis["units"], bool(axis["navigate"])) for axis in mean["axes"]]
        assert axes == [("latent", 4, "", True), ("y", 12, "nm", False), ("x", 17, "nm", False)]
        assert mean["axes"][1]["scale"] == pytest.approx(4 * NM)
        assert mean["axes"][2]["offset"] == pytest.approx(7.5 * NM)
        assert mean["metadata"]["General"]["title"] == "latent mean"
        provenance = mean["metadata"]["shiftvae"]
        assert provenance["model_sha256"] == "ab" * 32
        assert provenance["latent_names"] == "dy, dx, z1, z2"
        assert provenance["unused_latents"] == "z2"

    def test_frames_are_a_navigation_axis(self, tmp_path):
        maps = [made_map(seed) for seed in range(3)]
        write_latent_map(tmp_path / "a.hspy", maps)
        mean, _ = read_hspy(str(tmp_path / "a.hspy"))
        assert [axis["name"] for axis in mean["axes"]] == ["frame", "latent", "y", "x"]
        np.testing.assert_array_equal(mean["data"][1], maps[1].mean)

    def test_signals_have_no_y_axis(self, tmp_path):
        line = made_map(frame_shape=(1, 90), pixel_size_nm=None)
        write_latent_map(tmp_path / "a.hspy", line)
        mean, _ = read_hspy(str(tmp_path / "a.hspy"))
        assert [(axis["name"], axis["units"]) for axis in mean["axes"]] == [("latent", ""), ("x", "px")]
        np.testing.assert_array_equal(mean["data"], line.mean[:, 0])

    def test_the_scores_of_the_windows_are_a_signal_and_the_verdict_is_metadata(self, tmp_path):
        write_latent_map(tmp_path / "a.hspy", judged_map())
        *_, scores = read_hspy(str(tmp_path / "a.hspy"))
        assert scores["metadata"]["General"]["title"] == "out of domain"
        np.testing.assert_array_equal(scores["data"][0], judged_map().window_scores)
        assert scores["metadata"]["General"]["notes"] == "out of domain (score 2.5): the period is 5 % longer"
        assert scores["metadata"]["shiftvae"]["out_of_domain"] == [True]
        assert scores["metadata"]["shiftvae"]["domain_score"] == [2.5]
        assert scores["metadata"]["shiftvae"]["domain_reason"] == "the period is 5 % longer"

    def test_our_own_reader_opens_it_as_frames(self, tmp_path, latent_map):
        write_latent_map(tmp_path / "a.hspy", latent_map)
        frames = read_frames(f"{tmp_path / 'a.hspy'}::latent std")
        assert len(frames) == 4
        np.testing.assert_array_equal(frames[3].pixels, latent_map.std[3])
        assert frames[0].pixel_size_nm == pytest.approx((4 * NM, 4 * NM))


class TestPng:
    def test_shows_frame_maps_and_truth(self, tmp_path, latent_map):
        frame = Frame(np.random.default_rng(0).normal(size=(60, 80)), NM, "scan.dm4")
        write_latent_map(tmp_path / "small.png", latent_map)
        write_latent_map(tmp_path / "big.png", latent_map, frame=frame, truth={"polarisation": np.eye(60, 80)})
        small, big = (drawn(tmp_path / name) for name in ("small.png", "big.png"))
        assert big.shape[0] > small.shape[0], "two more panels need another row"
        assert len(np.unique(big.reshape(-1, 3), axis=0)) > 100, "colours"

    def test_fields_are_shown_in_pm_and_raw_shifts_only_on_request(self, tmp_path):
        for raw in (False, True):
            write_latent_map(tmp_path / f"{raw}.svg", with_fields(), raw_shifts=raw)
        plain, raw = ((tmp_path / f"{raw}.svg").read_text() for raw in (False, True))
        for text in (
            "ux: displacement right",
            "exx: strain along x",
            ">pm<",
            ">%<",
            ">deg<",
            "0.5 nm",
            "median",
        ):
            assert text in plain
        assert "dx: shift right" not in plain
        assert "dx: shift right" in raw

    def test_a_map_with_nothing_but_shifts_shows_them(self, tmp_path, latent_map):
        shifts = {name: getattr(latent_map, name)[:2] for name in ("mean", "std", "names", "units", "varies")}
        write_latent_map(tmp_path / "a.svg", replace(latent_map, **shifts))
        assert "dx: shift right" in (tmp_path / "a.svg").read_text()

    @pytest.mark.parametrize("ending", [".svg", ".pdf"])
    def test_a_drawing_is_the_same_each_time_and_keeps_its_words_as_text(self, tmp_path, latent_map, ending):
        for name in "ab":
            write_latent_map(tmp_path / f"{name}{ending}", latent_map)
        drawn = (tmp_path / f"a{ending}").read_bytes()
        assert drawn == (tmp_path / f"b{ending}").read_bytes()
        assert (b">frame" in drawn or b">z1" in drawn) if ending == ".svg" else b"/Type0" in drawn

    @pytest.mark.parametrize("count", range(1, 12))
    def test_the_panels_of_the_last_line_stand_in_the_middle(self, count):
        panels = [Panel(f"p{number}", np.eye(8)) for number in range(count)]
        axes = [axis for axis in draw_picture(panels).axes if axis.get_title(loc="left")]
        spans = [axis.get_subplotspec() for axis in axes]
        last = [span for span in spans if span.rowspan.stop == spans[0].get_gridspec().nrows]
        columns = spans[0].get_gridspec().ncols
        assert len(axes) == count
        assert last[0].colspan.start == columns - last[-1].colspan.stop

    def test_a_latent_without_variation_has_no_panel_and_the_legend_says_so(self, latent_map):
        def titles(one: LatentMap) -> set[str]:
            return {axis.get_title(loc="left") for axis in one.plot().axes} - {""}

        whole = replace(latent_map, varies=(True,) * 4)
        assert titles(whole) - titles(latent_map) == {"z2"}
        assert "z2: no variation found" in latent_map.plot().texts[-1].get_text()
        assert "no variation" not in whole.plot().texts[-1].get_text()
        only = {name: getattr(latent_map, name)[2:] for name in ("mean", "std", "names", "units")}
        assert titles(replace(latent_map, **only, varies=(False, False), lattice=None)) == {
            "z1",
            "z2",
        }  # better than none

    @pytest.mark.parametrize("pixel_size_nm", [None, NM, 1e-6, 1e4])
    def test_signals_are_curves(self, tmp_path, pixel_size_nm):
        line = made_map(frame_shape=(1, 90), pixel_size_nm=pixel_size_nm)
        write_latent_map(tmp_path / "a.png", line, frame=Frame(np.arange(90.0)), truth={"w": np.ones(90)})
        assert drawn(tmp_path / "a.png").shape[0] > 400

    @pytest.mark.parametrize("pixel_size_nm", [None, 1e-6, 1e4])
    def test_any_pixel_size_draws(self, tmp_path, pixel_size_nm):
        write_latent_map(tmp_path / "a.png", made_map(pixel_size_nm=pixel_size_nm))

    def test_maps_of_one_value_or_of_nan_draw(self, tmp_path, latent_map):
        flat = LatentMap(**{**vars(latent_map), "mean": np.zeros_like(latent_map.mean)})
        blank = LatentMap(**{**vars(latent_map), "mean": np.full_like(latent_map.mean, np.nan)})
        write_latent_map(tmp_path / "flat.png", flat)
        write_latent_map(tmp_path / "blank.png", blank)

    def test_shows_one_frame_only_and_says_so(self, tmp_path, latent_map):
        with pytest.raises(DataFileError, match="a .png shows one frame, got 2"):
            write_latent_map(tmp_path / "a.png", [latent_map] * 2)

    def test_a_frame_out_of_domain_has_a_band_across_the_top_and_others_none(self, tmp_path):
        frame = Frame(np.random.default_rng(0).poisson(9, (60, 80)).astype(np.uint16), name="a$b_{c.npy")
        write_latent_map(tmp_path / "out.png", judged_map(), frame=frame)
        within = DomainVerdict(score=0.4, windows_out=0.0)
        write_latent_map(tmp_path / "in.png", replace(judged_map(), domain=within), frame=frame)
        out, known = drawn(tmp_path / "out.png"), drawn(tmp_path / "in.png")
        height = len(out) - len(known)
        assert height > 40  # px: a line of letters and its margins
        band = out[:height]
        assert (band[2] == band[2, 0]).all()  # one colour from edge to edge
        assert tuple(band[2, 0]) != (255, 255, 255)
        assert (band == 255).all(axis=2).sum() > 500  # letters in white
        assert np.abs(out[height:] - known).mean() < 3  # the maps below it are the same

    def test_a_long_reason_is_wrapped_and_not_cut(self, tmp_path):
        long = DomainVerdict(score=2.5, windows_out=0.1, reason="; ".join(["the period along y is 5.0 % longer"] * 4))
        write_latent_map(tmp_path / "a.png", replace(judged_map(), domain=long))
        write_latent_map(tmp_path / "b.png", replace(judged_map(), domain=None))
        a, b = drawn(tmp_path / "a.png"), drawn(tmp_path / "b.png")
        band = a[: len(a) - len(b) - 2]
        white = np.flatnonzero((band == 255).all(axis=2).any(axis=0))
        assert len(band) > 60
        assert white[0] > 10
        assert white[-1] < band.shape[1] - 10


@pytest.mark.parametrize(
    ("width", "length"), [(512, 100), (10, 2), (6.7, 2), (3.34, 1), (0.25, 0.05), (1e-3, 2e-4), (1e4, 2000)]
)
def test_a_scale_bar_is_a_round_length_within_a_third_of_the_width(width, length):
    assert round_length(width) == pytest.approx(length)


def test_the_middle_of_the_colours_is_zero_the_median_or_nothing():
    values = np.concatenate([np.full(198, 5.0), [3.0, 3.0, 3.0, 9.0, 9.0, 9.0, np.nan]])
    assert sum(limits_of(values, "signed")) == pytest.approx(0)
    assert sum(limits_of(values, "median")) == pytest.approx(2 * 5)
    low, high = limits_of(values, "content")
    assert low < 5 < high
    assert sum(limits_of(values, "content")) != pytest.approx(10)
    assert limits_of(np.array([-3.0, 1.0]), "cyclic") == (-3, 3)
    assert limits_of(np.full(3, np.nan), "content") == (0, 1)


class TestPlaces:
    @pytest.mark.parametrize("ending", ENDINGS)
    def test_a_missing_folder_is_named(self, tmp_path, latent_map, ending):
        with pytest.raises(DataFileError, match=r"no folder .*nowhere"):
            write_latent_map(tmp_path / "nowhere" / f"a{ending}", latent_map)

    def test_a_folder_is_no_file(self, tmp_path, latent_map):
        (tmp_path / "a.npz").mkdir()
        with pytest.raises(DataFileError, match="is a folder"):
            write_latent_map(tmp_path / "a.npz", latent_map)

    def test_an_unknown_ending_lists_the_known_ones(self, tmp_path, latent_map):
        with pytest.raises(DataFileError, match=r"\.npz, \.tif, \.tiff, \.hspy, \.png, \.svg, \.pdf"):
            write_latent_map(tmp_path / "a.csv", latent_map)

    @pytest.mark.parametrize("ending", ENDINGS)
    def test_an_existing_file_is_replaced_and_nothing_else_is_left(self, tmp_path, latent_map, ending):
        (tmp_path / f"a{ending}").write_bytes(b"old")
        write_latent_map(tmp_path / f"a{ending}", latent_map)
        assert [path.name for path in tmp_path.iterdir()] == [f"a{ending}"]
        assert (tmp_path / f"a{ending}").stat().st_size > 1000

    @pytest.mark.parametrize("ending", ENDINGS)
    def test_a_write_that_fails_half_way_leaves_the_old_file(self, tmp_path, latent_map, ending, monkeypatch):
        def full_disk(self, target):
            assert self.stat().st_size > 1000, "it was written beside the old one"
            raise OSError(28, "No space left on device")

        (tmp_path / f"a{ending}").write_bytes(b"old")
        monkeypatch.setattr("pathlib.Path.replace", full_disk)
        with pytest.raises(DataFileError, match="No space left on device"):
            write_latent_map(tmp_path / f"a{ending}", latent_map)
        assert (tmp_path / f"a{ending}").read_bytes() == b"old"
        assert len(list(tmp_path.iterdir())) == 1
