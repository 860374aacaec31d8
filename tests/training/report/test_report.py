"""The report is one file that fetches nothing and shows what was found; its figures are those of the model."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from conftest import Scan

from shiftvae_rt.cli import main
from shiftvae_rt.model.manifest import DataSource
from shiftvae_rt.model.model_file import ModelFile
from shiftvae_rt.simulator import Microscope
from shiftvae_training.export import export_model
from shiftvae_training.fitting.settings import Settings
from shiftvae_training.report.meaning import explain
from shiftvae_training.report.page import page, table
from shiftvae_training.train import train

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


def test_nothing_is_fetched_and_every_picture_is_inside(report):
    reader = read(report)
    assert reader.tags.count("img") >= 8
    assert all(address.startswith("data:image/png;base64,") for address in reader.addresses)
    assert "script" not in reader.tags
    assert "link" not in reader.tags
    assert "//" not in re.sub(r"base64,[A-Za-z0-9+/=]*", "", report)
    assert "default-src 'none'" in report
    assert len(report) < 3_000_000


def test_the_report_says_what_was_found(scan, report):
    text = read(report).text
    assert text.count("One content latent varies: z1.") + text.count("Content varies along") == 1
    assert scan.trained.lattice.reason in text
    for heading in (
        "Scan and period",
        "Latent maps",
        "What the latents mean",
        "Position of the motif",
        "Out of domain",
    ):
        assert heading in text
    assert "column 2 moves" in text
    assert "pm)" in text
    assert SOURCE.name in text
    assert SOURCE.sha256 in text
    assert "torch" in text


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
    reader = read((tmp_path / "line.html").read_text())
    assert reader.tags.count("img") >= 6
    assert "pixel sizeunknown" in reader.text
    assert "pm)" not in reader.text


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
    made = page("<img src=x>", "a & b", [table(("h",), [("<script>",)])])
    assert "<script>" not in made
    assert "<img" not in made
    assert "&lt;img src=x&gt;" in made


def test_a_scan_of_identical_motifs_is_reported_without_a_percentage_of_what_varies(scan, tmp_path):
    """Noise that is shared out among latents makes numbers like 431 %."""
    crystal = replace(scan.microscope.crystal, displacement_px=0.0, period_growth=0.0)
    frames = [Microscope(crystal, shape=(192, 192), dose=1.0).frame(0).pixels[None]]
    trained = train(frames, Settings(encoder="mlp", steps=400))
    export_model(tmp_path / "m.svae", trained, frames, sources=(), pixel_size_nm=None)
    text = read((tmp_path / "m.html").read_text()).text
    chosen = text[text.index("chosen from the scan") : text.index("steps, at most")]
    assert "%" not in chosen
    assert chosen.count("nothing varies above the noise") == 3
    assert "For one unit of" not in text
