"""First screen of the report on two simulated grains, number by number against the truth of the simulation.

A training of a minute, so only with SHIFTVAE_LONG=1; the domains of the plain simulator are in `test_report`.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from shiftvae_rt import Frame
from shiftvae_training import fit

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks" / "science"))
from grain_scan import GrainScan, grain_scan

pytestmark = pytest.mark.skipif("SHIFTVAE_LONG" not in os.environ, reason="a training: SHIFTVAE_LONG=1")
EDGE_NM = 0.02


def first_screen(frame: np.ndarray, path: Path, **options: str) -> str:
    """Text of the answers in the report of a short training."""
    fit(Frame(frame, EDGE_NM, "simulated"), steps=500, progress=False, **options).save(path)
    report = path.with_suffix(".html").read_text()
    answers = report[report.index('<div class="answers">') : report.index('<section id="maps">')]
    return re.sub(r"<[^>]+>", "\n", answers)


def numbers(pattern: str, text: str) -> list[float]:
    found = re.search(pattern, text)
    assert found is not None, text
    return [float(each) for each in found.groups()]


def hold_for_grains(text: str, truth: GrainScan) -> None:
    lengths = EDGE_NM * np.hypot(*truth.cells[0].T)
    assert numbers(r"([0-9.]+) x ([0-9.]+) nm", text) == pytest.approx(list(lengths), rel=0.01)
    shares = [100 * float((truth.grain == number).mean()) for number in (0, 1)]
    assert sorted(numbers(r"grain 0 is (\d+) % .*; grain 1 \((\d+) %", text)) == pytest.approx(sorted(shares), abs=3)
    assert numbers(r"turned by ([0-9.]+) degrees", text) == pytest.approx([19.0], abs=0.2)
    low, high = np.quantile(truth.order_px, (0.025, 0.975))
    pm, px = numbers(r"column 2 moves \w+ and \w+ by ([0-9.]+) pm \(([0-9.]+) px\)", text)
    assert px == pytest.approx(high - low, rel=0.1)
    assert pm == pytest.approx(1e3 * EDGE_NM * px, rel=0.02)
    assert "The lattice is even" in text


def test_the_report_on_two_grains_is_true(tmp_path):
    truth = grain_scan(0)
    hold_for_grains(first_screen(truth.pixels, tmp_path / "grains.svae"), truth)
