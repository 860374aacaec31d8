"""The page that maps a scan in a browser: its numbers against LatentMapper, and what a person sees.

Needs `make wasm` and a Chromium; run by `make test-web`.
"""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import numpy as np
import pytest
from tiny_models import write_tiny_model
from web_support import LIMIT_S, PAGE, Visit

from shiftvae_rt import LatentMapper, _core
from shiftvae_rt.colours import colour_table
from shiftvae_rt.encode.modulo import Latents, difference
from shiftvae_rt.view.planes import ends_of, levels

MOST_PACKED = 200_000  # bytes of the page as a host sends it
MOST_MS = 150  # of a core, for a frame of 512 x 512 px at stride 4


def scan_of(shape: tuple[int, int], seed: int = 0) -> np.ndarray:
    """A lattice of 10 px that bends, with noise."""
    y, x = np.mgrid[: shape[0], : shape[1]] + 3 * np.sin(np.mgrid[: shape[0], : shape[1]][::-1] / 40)
    return (
        np.random.default_rng(seed)
        .poisson(200 + 80 * np.cos(2 * np.pi * y / 10) + 80 * np.cos(2 * np.pi * x / 10))
        .astype(np.uint16)
    )


def saved(folder: Path, pixels: np.ndarray, name: str = "scan.npy") -> Path:
    np.save(folder / name, pixels)
    return folder / name


def assert_equal(found: dict[str, np.ndarray], mapper: LatentMapper, pixels: np.ndarray, *, exact: bool = True) -> None:
    """The bits of the runtime with vectors of the same kind; elsewhere 1e-4 of a spread, as the network is random."""
    before, manifest = _core.isa(), mapper.model.manifest
    same = exact and "sse2" in _core.isas()
    if same:
        _core.use_isa("sse2")
    try:
        wanted = mapper.map(pixels)
        fields = wanted.fields
    finally:
        _core.use_isa(before)
    assert tuple(found["names"]) == wanted.names
    assert ("fields" in found) == (fields is not None)
    bits = {"mean": wanted.mean, "std": wanted.std}
    if fields is not None:
        assert tuple(found["field_names"]) == fields.names
        assert tuple(found["field_units"]) == fields.units
        bits |= {"fields": fields.mean, "field_std": fields.std}
    for name in ("centre_y_px", "centre_x_px"):
        np.testing.assert_array_equal(found[name], getattr(wanted, name))
    if same:
        for name, values in bits.items():
            np.testing.assert_array_equal(found[name], values, err_msg=name)
    off = difference((found["mean"], found["std"]), (wanted.mean, wanted.std), Latents.of(manifest))
    spread = np.maximum([latent.spread for latent in manifest.latents], wanted.mean.std(axis=(1, 2)))
    assert np.abs(np.stack(off) / spread[:, None, None]).max() <= 1e-4
    if not manifest.grains:  # the C library gives no verdict on several grains
        assert float(found["domain_score"]) == pytest.approx(wanted.domain.score, rel=1e-3, abs=1e-3)
        assert str(found["domain_reason"]) == wanted.domain.reason
    assert str(found["model_sha256"]) == wanted.model_sha256


@pytest.mark.parametrize("stride", [4, 1, 8])
def test_the_maps_are_those_of_latent_mapper(visit: Visit, tiny_model: Path, tmp_path: Path, stride: int) -> None:
    pixels = scan_of((512, 512) if stride == 4 else (160, 130))
    visit.give(saved(tmp_path, pixels), tiny_model)
    if stride != 4:
        visit.set("stride", stride)
        visit.browser.until("shiftvae.mapped > 1", LIMIT_S)
    assert visit.wrong == ""
    assert_equal(visit.archive(), LatentMapper(tiny_model, stride=stride), pixels)
    visit.assert_quiet()


@pytest.mark.parametrize("kind", [{"orders": 2}, {"grains": 2}, {"channels": 3}, {"dimensions": 1}], ids=str)
def test_models_of_every_kind_are_mapped(visit: Visit, tmp_path: Path, kind: dict[str, int]) -> None:
    model, pixels = write_tiny_model(tmp_path / "kind.svae", **kind), scan_of((70, 60))
    if "channels" in kind:
        pixels = np.stack([scan_of((70, 60), seed) for seed in range(3)])
    if "dimensions" in kind:
        pixels = pixels.ravel()[:400]
    visit.give(saved(tmp_path, pixels), model)
    assert visit.wrong == ""
    assert_equal(visit.archive(), LatentMapper(model), pixels)
    visit.assert_quiet()


def test_a_static_host_serves_it_too(hosted: Visit, tiny_model: Path, tmp_path: Path) -> None:
    pixels = scan_of((90, 100))
    hosted.give(tiny_model, saved(tmp_path, pixels))
    assert_equal(hosted.archive(), LatentMapper(tiny_model), pixels)
    hosted.assert_quiet()


def test_files_that_are_dropped_are_taken(visit: Visit, tiny_model: Path, tmp_path: Path) -> None:
    files = [str(saved(tmp_path, scan_of((64, 64)))), str(tiny_model)]
    data = {"items": [], "files": files, "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        visit.browser.call("Input.dispatchDragEvent", type=kind, x=300, y=300, data=data)
    visit.browser.until("shiftvae.mapped === 1", LIMIT_S)
    assert visit.browser.text("#scanname") == "scan.npy, 64 x 64 px"


def colours(values: np.ndarray, table: str) -> np.ndarray:
    low, high = ends_of(values.astype(np.float32), table)
    level = levels(values.astype(np.float32), low, high).astype(int)
    return colour_table("signed" if table == "median" else table)[np.round((level - 1) * 255 / 254).astype(int)]


def test_colours_are_those_of_the_values(visit: Visit, tiny_model: Path, tmp_path: Path) -> None:
    pixels = scan_of((70, 60))
    visit.give(saved(tmp_path, pixels), tiny_model)
    found = LatentMapper(tiny_model).map(pixels)
    for at, values, table in (
        (0, pixels, "grey"),
        (1, found["z1"], "content"),
        (2, found["z2"], "content"),
        (3, found.fields["uy"], "median"),
        (5, found.fields["exx"], "signed"),
    ):
        seen = visit.canvas(at, values.shape).astype(int)
        assert np.abs(seen - colours(values, table)).max() <= 6, at  # one level
    for words in ("in domain", "uy: displacement down", "px", "exx: strain along x"):
        assert words in visit.browser.text("body"), words
    assert visit.browser.value("document.querySelector('#verdict').dataset.domain") == "in"


def test_a_pixel_size_gives_the_scale_bar_and_picometres(visit: Visit, tiny_model: Path, tmp_path: Path) -> None:
    visit.give(saved(tmp_path, scan_of((70, 60))), tiny_model)
    assert "pm" not in visit.browser.text("#panels")
    visit.set("pixel", 0.02)
    visit.browser.until("shiftvae.mapped > 1", LIMIT_S)
    assert "pm" in visit.browser.text("#panels")
    assert "0.2 nm" in visit.browser.text("#panels")


def test_what_the_mouse_points_at_is_told_with_its_deviations(visit: Visit, tiny_model: Path, tmp_path: Path) -> None:
    pixels = scan_of((70, 60))
    visit.give(saved(tmp_path, pixels), tiny_model)
    visit.browser.point(0.5, 0.5)
    visit.browser.until("!document.querySelector('#values').hidden", LIMIT_S)
    row, col = round((35 - 0.5 - 7.5) / 4), round((30 - 0.5 - 7.5) / 4)
    found = LatentMapper(tiny_model).map(pixels)
    words = visit.browser.text("#values")
    for name in ("z1", "z2"):
        mean, sd = (float(values[found.names.index(name), row, col]) for values in (found.mean, found.std))
        decimals = max(0, 1 - int(np.floor(np.log10(sd))))
        assert f"{name}\t{mean:.{decimals}f} ± {sd:.{decimals}f}" in words
    assert "exx (%)" in words
    assert visit.browser.text("#looks").count("left over") == 1
    shades = (
        "(() => { const one = document.querySelectorAll('#looks canvas')[1], g = one.getContext('2d');"
        "return new Set(g.getImageData(0, 0, one.width, one.height).data).size; })()"
    )
    assert visit.browser.value(shades) > 20, "the decoder's window has many shades"
    visit.assert_quiet()


def test_a_frame_out_of_domain_says_why(visit: Visit, tiny_model: Path, tmp_path: Path) -> None:
    pixels = np.random.default_rng(3).normal(100, 5e-4, (64, 64)).astype(np.float32)  # counts that were rescaled
    wanted = LatentMapper(tiny_model).map(pixels).domain
    assert wanted.score > 1
    visit.give(saved(tmp_path, pixels), tiny_model)
    assert visit.browser.value("document.querySelector('#verdict').dataset.domain") == "out"
    assert wanted.reason in visit.browser.text("#verdict")


def test_a_name_is_text_whatever_it_is(visit: Visit, tiny_model: Path, tmp_path: Path) -> None:
    name = "<img src=x onerror=alert(1)>&lt;b>\u202eyps.npy"
    visit.give(saved(tmp_path, scan_of((40, 40)), name), tiny_model)
    assert name in visit.browser.value("document.querySelector('#scanname').textContent")
    assert visit.browser.value("document.querySelectorAll('#drop img, #drop b').length") == 0
    visit.give(saved(tmp_path, np.zeros((40, 40), complex), name))
    assert name in visit.wrong
    assert visit.browser.value("document.querySelectorAll('#wrong img, #wrong b').length") == 0
    visit.assert_quiet()


def test_a_flip_in_the_model_is_refused_in_the_words_of_the_library(
    visit: Visit, tiny_model: Path, tmp_path: Path
) -> None:
    content = tiny_model.read_bytes()
    rng = np.random.default_rng(0)
    scan = saved(tmp_path, scan_of((40, 40)))
    visit.give(scan)
    for at in rng.integers(0, len(content), 12):
        flipped = bytearray(content)
        flipped[at] ^= 1 << int(rng.integers(8))
        (tmp_path / "flipped.svae").write_bytes(flipped)
        visit.give(tmp_path / "flipped.svae")
        assert visit.wrong.endswith((".", "again.")), at
        assert "model" in visit.wrong or "SHA-256" in visit.wrong, visit.wrong
    visit.give(tiny_model)  # and the page goes on
    assert visit.wrong == ""
    assert visit.figures()["mapped"] == 1
    visit.give(tmp_path / "flipped.svae")
    assert visit.browser.text("#modelname").startswith("tiny.svae")
    visit.assert_quiet()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("scan.jpg", b"\xff\xd8\xff\xe0" + bytes(40), "expected .npy, .tif, .dm3, .dm4, .png or .svae"),
        (
            "cut.npy",
            b"\x93NUMPY\x01\x00\x3e\x00{'descr': '<f4', 'fortran_order': False, 'shape': (50, 50), }\n\0\0\0\0",
            "truncated",
        ),
        ("cut.tif", b"II*\0\xff\xff\0\0", "truncated"),
        ("cut.dm4", b"\0\0\0\4" + bytes(7) + b"\x40" + bytes(3) + b"\1\1\0" + b"\xff" * 40, "damaged or truncated"),
        ("cut.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x10\0\0\0\x10\x08\0\0\0\0\0\0\0\0", "is not a PNG"),
        ("old.svae", b"PK\3\4" + bytes(60), "model file"),
    ],
    ids=lambda value: value if isinstance(value, str) and "." in value and len(value) < 10 else "",
)
def test_a_file_that_is_not_what_it_says_is_refused_in_one_line(
    visit: Visit, tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    (tmp_path / name).write_bytes(content)
    visit.give(tmp_path / name)
    assert words in visit.wrong
    assert "\n" not in visit.wrong
    visit.assert_quiet()


def test_a_frame_with_nan_is_refused_and_the_next_one_mapped(visit: Visit, tiny_model: Path, tmp_path: Path) -> None:
    pixels = scan_of((40, 40)).astype(np.float32)
    good = saved(tmp_path, pixels)
    pixels[20, 20] = np.nan
    visit.give(saved(tmp_path, pixels, "bad.npy"), tiny_model)
    assert "1 of 1600 pixels are NaN" in visit.wrong
    visit.give(good)
    assert visit.wrong == ""


def test_another_magnification_is_refused_with_both_numbers(visit: Visit, tiny_model: Path, tmp_path: Path) -> None:
    visit.give(saved(tmp_path, scan_of((40, 40))), tiny_model)
    visit.set("pixel", 0.025)
    visit.browser.until("!document.querySelector('#wrong').hidden", LIMIT_S)
    assert "0.025000 nm/px" in visit.wrong
    assert "0.020000 nm/px" in visit.wrong


def test_the_picture_that_is_saved_shows_what_the_page_shows(visit: Visit, tiny_model: Path, tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    pixels = scan_of((70, 60))
    visit.give(saved(tmp_path, pixels), tiny_model)
    with image.open(visit.saved("save", ".png")) as found:
        shown = np.asarray(found.convert("RGB"))
    assert shown.shape[0] > 600
    content = {tuple(colour) for colour in colour_table("content").tolist()}
    assert len(content & {tuple(colour) for colour in np.unique(shown.reshape(-1, 3), axis=0).tolist()}) > 100


def test_the_page_is_small() -> None:
    if not PAGE.exists():
        pytest.skip("web/dist/shiftvae.html is not built: make wasm")
    assert len(gzip.compress(PAGE.read_bytes())) <= MOST_PACKED


def cpu_s(process: int) -> float:
    """CPU time of a process and all that descend from it."""
    parents, times = {}, {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it has ended
            parents[int(folder.name)], times[int(folder.name)] = int(fields[1]), int(fields[11]) + int(fields[12])
    ours, more = {process}, True
    while more:
        more = {each for each, parent in parents.items() if parent in ours} - ours
        ours |= more
    return sum(times.get(each, 0) for each in ours) / os.sysconf("SC_CLK_TCK")


@pytest.mark.clock
def test_a_frame_takes_less_than_150_ms_of_a_core(visit: Visit, tiny_model: Path, tmp_path: Path) -> None:
    visit.give(saved(tmp_path, scan_of((512, 512))), tiny_model)
    visit.browser.until("shiftvae.mapped === 1", LIMIT_S)
    before, rounds = cpu_s(visit.browser.process.pid), 10
    for count in range(rounds):
        visit.browser.value("document.querySelector('#frame').onchange()")
        visit.browser.until(f"shiftvae.mapped > {count + 1}", LIMIT_S)
    each = 1e3 * (cpu_s(visit.browser.process.pid) - before) / rounds
    print(json.dumps({"browser_cpu_ms_a_frame": round(each), "least_map_ms": round(min(visit.figures()["map_ms"]))}))
    assert min(visit.figures()["map_ms"]) <= MOST_MS or each <= MOST_MS
