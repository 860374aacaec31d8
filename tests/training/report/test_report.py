"""The report is one file that fetches nothing and shows what was found; its figures are those of the model."""

from __future__ import annotations

import base64
import hashlib
import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from conftest import Scan
from msgspec.structs import replace as replace_source
from scipy.spatial import cKDTree

from shiftvae_rt.cli import main
from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_rt.model.manifest import DataSource
from shiftvae_rt.model.model_file import ModelFile
from shiftvae_rt.simulator import Microscope
from shiftvae_training.export import export_model
from shiftvae_training.fitting.settings import Settings
from shiftvae_training.report.findings import instrument_of
from shiftvae_training.report.meaning import explain
from shiftvae_training.report.page import items, page, table
from shiftvae_training.train import train

sys.path.insert(0, str(Path(__file__).parents[2] / "stream" / "view"))
from browser_support import Browser, find_chromium

SOURCE = DataSource(name="a <b> & c.dm4", sha256="0" * 64, frames=1, shape=(1, 192, 192), dtype="uint16")


class Reader(HTMLParser):
    """Collects tags, addresses and text, and checks that tags are closed in order."""

    VOID = frozenset({"meta", "img", "br", "link"})

    def __init__(self):
        super().__init__()
        self.open, self.addresses, self.tags, self.text = [], [], [], ""

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.addresses += [value for name, value in attributes if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def read(report: str) -> Reader:
    reader = Reader()
    reader.feed(report)
    assert reader.open == []
    return reader


@pytest.fixture(scope="module")
def exported(scan: Scan, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "small.svae"
    export_model(path, scan.trained, scan.frames, sources=(SOURCE,), pixel_size_nm=0.03)
    return path


@pytest.fixture(scope="module")
def report(exported) -> str:
    found = ModelFile.read(exported).report
    assert found is not None
    return found


def test_the_report_inside_the_model_file_lies_beside_it_too(exported, report):
    assert exported.with_suffix(".html").read_bytes().decode() == report


def first_screen(report: str) -> str:
    """Text of the answers, before the maps."""
    return read(report[report.index('<div class="answers">') : report.index('<section id="maps">')]).text


def number(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    assert found is not None, text
    return float(found.group(1))


def test_nothing_is_fetched_and_every_picture_is_inside(report):
    reader = read(report)
    assert reader.tags.count("img") >= 12
    anchors = {address for address in reader.addresses if address.startswith("#")}
    assert anchors == {f"#{name}" for name in re.findall(r'<section id="([a-z]+)"', report)}
    assert all(a.startswith(("data:image/png;base64,", "data:image/jpeg;base64,", "#")) for a in reader.addresses)
    assert "link" not in reader.tags
    assert "//" not in re.sub(r"base64,[A-Za-z0-9+/=]*", "", report)
    assert "default-src 'none'" in report
    assert len(report) < 2_500_000


def test_the_only_script_is_ours_and_the_page_allows_no_other(report):
    scripts = re.findall(r"<script>(.*?)</script>", report, re.DOTALL)
    assert len(scripts) == report.count("<script") == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in report


def test_the_report_says_what_was_found(scan, report):
    text = read(report).text
    first = first_screen(report)
    for question in ("Which lattice?", "What varies?", "What does it mean?", "May I trust it?", "What next?"):
        assert question in first
    assert "One thing: z1." in first
    assert scan.trained.lattice.reason[1:] in text
    for heading in ("Maps", "What each latent does", "Reservations", "Which frames it accepts", "For experts"):
        assert text.count(heading) == 2, "in the list of contents, and above its section"
    assert SOURCE.name in text
    assert SOURCE.sha256 in text
    assert "torch" in text


def test_the_sentences_of_the_first_screen_are_true(scan, report):
    """Each number against the simulator's truth; pixels are 30 pm."""
    text, truth = first_screen(report), scan.microscope.frame(0)
    spacing = spacings_along_x(truth.columns_px)
    assert number(r"lattice\?[0-9.]+ x ([0-9.]+) nm", text) == pytest.approx(0.03 * spacing.mean(), rel=0.01)
    moved = re.search(r"where it is highest: column 2 moves (right|left) by ([0-9.]+) pm \(([0-9.]+) px\)", text)
    assert moved is not None, text
    content, displacement = content_and_truth(scan, truth)
    low, high = np.quantile(content, (0.2, 0.8))
    expected = displacement[content >= high].mean() - displacement[content <= low].mean()
    assert moved.group(1) == ("right" if expected > 0 else "left")
    assert float(moved.group(2)) == pytest.approx(30 * abs(expected), rel=0.2)
    assert float(moved.group(3)) == pytest.approx(abs(expected), rel=0.2)
    strain = 100 * spacing.std() / spacing.mean()
    assert number(r"exx by ([0-9.]+) %", text) == pytest.approx(strain, rel=0.2)


def spacings_along_x(places: np.ndarray) -> np.ndarray:
    """True distances of A columns from their neighbours to the right, px, where the map reaches."""
    away, neighbour = cKDTree(places).query(places + np.array([0, 12.1]))
    found = np.flatnonzero(away < 3)
    middle = (places[found] + places[neighbour[found]]) / 2
    inside = ((middle > 8) & (middle < 184)).all(axis=1)
    return (places[neighbour[found]] - places[found])[inside, 1]


def content_and_truth(scan, truth) -> tuple[np.ndarray, np.ndarray]:
    """Content of every window, and the true displacement of B at its middle, px."""
    centred = truth.pixels[None].astype(np.float32)
    mean, _ = scan.trained.model.map_frame(centred - centred.mean(), 4)
    first = (scan.trained.model.window[0] - 1) / 2
    y, x = (np.rint(first + 4 * np.arange(n)).astype(int) for n in mean.shape[1:])
    return mean[2].ravel(), truth.displacement_px[np.ix_(y, x)].ravel()


def test_pointing_at_a_map_shows_its_window_and_the_values_there(scan, exported, tmp_path):
    if (program := find_chromium()) is None:
        pytest.skip("no Chromium")
    browser = Browser(program, tmp_path)
    try:
        browser.open(exported.with_suffix(".html").as_uri())
        browser.until("document.readyState === 'complete' && document.querySelector('.atlas') !== null")
        rectangle = "document.querySelectorAll('.map')[1].getBoundingClientRect()"
        browser.value("document.querySelector('.atlas').scrollIntoView()")
        left, top, side = (browser.value(f"{rectangle}.{name}") for name in ("left", "top", "width"))
        browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=left + 0.4 * side, y=top + 0.6 * side)
        words = browser.text(".place").split("\n")
        shown = dict(zip(words[::2], words[1::2], strict=True))
        y, x = (float(word) for word in shown["y, x"].removesuffix(" nm").split(", "))
        assert (y, x) == pytest.approx((0.6 * 192 * 0.03, 0.4 * 192 * 0.03), abs=0.04)
        latent_map = LatentMapper(exported, stride=4).map(scan.frames[0], pixel_size_nm=0.03)
        row = int(np.abs(latent_map.centre_y_px - 0.6 * 192).argmin())
        col = int(np.abs(latent_map.centre_x_px - 0.4 * 192).argmin())
        around = latent_map["z1"][row - 1 : row + 2, col - 1 : col + 2]
        assert around.min() - 0.02 <= float(shown["z1"]) <= around.max() + 0.02
        seen = "(() => { const c = document.querySelector('.place canvas'); return new Set(c.getContext('2d')"
        assert browser.value(f"{seen}.getImageData(0, 0, c.width, c.height).data).size; }})()") > 30
        assert browser.value("document.querySelectorAll('.mark')[0].style.display") == "block"
        assert not [event for event in browser.events if event["method"] in ("Log.entryAdded", "Network.requestFailed")]
    finally:
        browser.close()


def test_inspect_writes_the_report(exported, report, tmp_path, capsys):
    out = tmp_path / "out.html"
    assert main(["inspect", str(exported), "--report", str(out)]) == 0
    assert out.read_text() == report
    assert main(["inspect", str(exported), "--report", str(tmp_path / "no" / "out.html")]) == 1
    assert "cannot write" in capsys.readouterr().err


def test_a_model_without_a_report_says_so(tiny_model, tmp_path, capsys):
    assert main(["inspect", str(tiny_model), "--report", str(tmp_path / "out.html")]) == 1
    assert "holds no report: it was exported without one" in capsys.readouterr().err


def test_a_signal_has_a_report_too(line, tmp_path):
    _, frames, trained = line
    export_model(tmp_path / "line.svae", trained, frames, sources=(), pixel_size_nm=None)
    made = (tmp_path / "line.html").read_text()
    reader = read(made)
    assert reader.tags.count("img") >= 6
    assert "repeats every 24.0 px" in first_screen(made)
    assert not re.search(r"[0-9] pm", reader.text)
    assert "column" not in first_screen(made).replace("scan column", "")
    signal, _, trained = line
    mean, _ = trained.model.map_frame(signal.samples[None, None] - signal.samples.mean(), 4)
    width = signal.width_px[np.rint((trained.model.window[1] - 1) / 2 + 4 * np.arange(mean.shape[2])).astype(int)]
    low, high = np.quantile(mean[1], (0.2, 0.8))
    expected = 100 * (width[mean[1, 0] >= high].mean() - width[mean[1, 0] <= low].mean()) / width.mean()
    verb = "widens" if expected > 0 else "narrows"
    widened = rf"z1, .*?peak 1 (?:dims by [0-9.]+ % and )?{verb} by ([0-9.]+) %"
    assert number(widened, first_screen(made)) == pytest.approx(abs(expected), rel=0.2)


def test_the_axis_of_the_trained_latent_is_the_displacement(scan):
    """The simulator moves B along x by up to 1 px; a short training already gives content in px of that size."""
    frame = scan.microscope.frame(1)
    centred = frame.pixels[None].astype(np.float32)
    mean, _ = scan.trained.model.map_frame(centred - centred.mean().round(), 4)
    content = mean[2:].astype(float)
    varies = tuple(kl >= 0.1 for kl in scan.trained.kl_nats[2:])
    meaning = explain(scan.trained.model, content.reshape(len(content), -1), varies, pixel_size_nm=None)
    first = (scan.trained.model.window[0] - 1) / 2
    y, x = (np.rint(first + 4 * np.arange(n)).astype(int) for n in mean.shape[1:])
    truth = frame.displacement_px[np.ix_(y, x)]
    moved = meaning.displacement_px(content)[1, 1]
    slope, _ = np.polyfit(truth.ravel(), moved.ravel(), 1)
    assert slope == pytest.approx(1, abs=0.35)
    assert np.corrcoef(moved.ravel(), truth.ravel())[0, 1] > 0.9


def test_text_from_files_cannot_become_markup():
    made = page("<img src=x>", "a & b", [("maps", "<b>", table(("h",), [("<script>",)]))], first=items(["<i>"]))
    assert made.count("<script>") == 1
    assert "<b>" not in made
    assert "<i>" not in made
    assert "<img" not in made
    assert "&lt;img src=x&gt;" in made


def test_a_scan_of_identical_motifs_is_reported_without_a_percentage_of_what_varies(scan, tmp_path):
    """Noise that is shared out among latents makes numbers like 431 %."""
    crystal = replace(scan.microscope.crystal, displacement_px=0.0, period_growth=0.0)
    still = {"drift_px": (0.0, 0.0), "flyback_px": 0.0}
    frames = [Microscope(crystal, shape=(192, 192), dose=1.0, **still).frame(0).pixels[None]]
    trained = train(frames, Settings(encoder="mlp", steps=400))
    export_model(tmp_path / "m.svae", trained, frames, sources=(), pixel_size_nm=None)
    made = (tmp_path / "m.html").read_text()
    text, first = read(made).text, first_screen(made)
    chosen = text[text.index("chosen from the scan") : text.index("steps, at most")]
    assert "%" not in chosen
    assert chosen.count("nothing varies above the noise") == 3
    assert "%" not in first
    assert "Nothing: within the noise every window shows the same motif." in first
    assert "neither strain nor rotation varies beyond its uncertainty" in first
    assert "Yes: no check speaks against it." in first
    assert "column 2 moves" not in text


@pytest.mark.parametrize(
    ("files", "instrument"),
    [
        (["a.dm4", "B.EMD"], "electrons"),
        (["a.sxm", "b.dat"], "probe"),
        (["a.dm4", "b.sxm"], ""),
        (["a.tif"], ""),
        ([], ""),
    ],
)
def test_files_tell_the_instrument_or_nothing(files, instrument):
    assert instrument_of(files) == instrument


@pytest.mark.parametrize(("kind", "word"), [("sxm", "maximum"), ("dm4", "column"), ("tif", "peak")])
def test_peaks_have_the_name_of_their_field(scan, tmp_path, kind, word):
    sources = (replace_source(SOURCE, name=f"a.{kind}"),)
    export_model(tmp_path / "m.svae", scan.trained, scan.frames, sources=sources, pixel_size_nm=0.03)
    text = first_screen((tmp_path / "m.html").read_text())
    assert f"{word} 2 moves" in text
    assert ("column" in text) == (word == "column")
