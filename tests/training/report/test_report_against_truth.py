"""First screens of the reports on three simulated scans, number by number against the truth of the simulations.

Trainings of a minute, so only with SHIFTVAE_LONG=1; `test_report` has a smaller one that always runs.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from shiftvae_rt import Frame
from shiftvae_rt.fields import turn_between
from shiftvae_rt.simulator import Microscope
from shiftvae_training import fit
from shiftvae_training.trained.trained_model import TrainedModel

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks" / "science"))
from grain_scan import GrainScan, grain_scan
from ordered_scenes import OrderedScan, two_variants

pytestmark = [
    pytest.mark.skipif("SHIFTVAE_LONG" not in os.environ, reason="a training: SHIFTVAE_LONG=1"),
    pytest.mark.timeout(900),
]
EDGE_NM = 0.02
#: Half of the simulator's cell, and the columns around it.
CELL_PX = 18


def fitted(frame: np.ndarray) -> TrainedModel:
    return fit(Frame(frame, EDGE_NM, "simulated"), steps=500, progress=False)


def first_screen(model: TrainedModel) -> str:
    """Text of the answers in a report."""
    report = model.file.report
    answers = report[report.index('<div class="answers">') : report.index('<section id="maps">')]
    return re.sub(r"<[^>]+>", "\n", answers)


def numbers(pattern: str, text: str) -> list[float]:
    found = re.search(pattern, text)
    assert found is not None, text
    return [float(each) for each in found.groups()]


def hold_and_notice(hold: Callable[[str], None], text: str, *lies: tuple[str, str]) -> None:
    """The sentences hold, and each lie in place of the truth is noticed."""
    hold(text)
    for true, false in lies:
        assert true in text
        with pytest.raises(AssertionError):
            hold(text.replace(true, false))


def hold_for_grains(text: str, truth: GrainScan, first: tuple[tuple[float, float], ...]) -> None:
    """`first` is the cell of the report's grain 0, which tells which of the true ones it is."""
    one = int(abs(turn_between(truth.cells[0], first)[0]) > 5)
    lengths = EDGE_NM * np.hypot(*truth.cells[0].T)
    assert numbers(r"([0-9.]+) x ([0-9.]+) nm", text) == pytest.approx(list(lengths), rel=0.01)
    shares = [100 * float((truth.grain == number).mean()) for number in (one, 1 - one)]
    assert numbers(r"grain 0 is (\d+) % .*; grain 1 \((\d+) %", text) == pytest.approx(shares, abs=3)
    turn, _ = turn_between(truth.cells[one], truth.cells[1 - one])
    way = "counter-clockwise" if turn > 0 else "clockwise"
    assert numbers(rf"is turned by ([0-9.]+) degrees {way} against", text) == pytest.approx([19.0], abs=0.2)
    low, high = np.quantile(truth.order_px, (0.025, 0.975))
    pm, px = numbers(r"peak 2 moves \w+ and \w+ by ([0-9.]+) pm \(([0-9.]+) px\)", text)
    assert px == pytest.approx(high - low, rel=0.1)
    assert pm == pytest.approx(1e3 * EDGE_NM * px, rel=0.03)
    assert "The lattice is even" in text


def test_the_report_on_two_grains_is_true():
    truth = grain_scan(0)
    model = fitted(truth.pixels)
    hold = partial(hold_for_grains, truth=truth, first=model.file.manifest.grains[0].vectors)
    lies = ("turned by 19", "turned by 9"), (" clockwise", " counter-clockwise"), (" pm (", "0 pm (1"), ("0.4", "0.5")
    text = first_screen(model)
    hold_and_notice(hold, text, *((true, false) for true, false in lies if true in text))


def hold_for_order(text: str, truth: OrderedScan) -> None:
    assert numbers(r"([0-9.]+) x ([0-9.]+) nm", text) == pytest.approx([0.36, 0.36], rel=0.01)
    assert "the order of a superlattice (order2)" in text
    for vector, angle in enumerate((90, 0)):  # the first one doubles the cell along y
        found = re.search(
            rf"order\d: the lattice vector of 0.36 nm at {angle} degrees .* is doubled by order; .*", text
        )
        assert found is not None
        sentence = found[0]
        low, high = numbers(r"goes from ([0-9.]+) to ([0-9.]+) ", sentence)
        assert low < 0.15
        assert high == pytest.approx(1, abs=0.15)
        domain = truth.domain[vector][truth.order[vector] > 0.5]
        share = 100 * max((domain > 0).mean(), (domain < 0).mean())
        if share > 99:
            assert "one antiphase domain." in sentence
        else:
            shares = numbers(r"two antiphase domains, (\d+) % and (\d+) %", sentence)
            assert shares == pytest.approx([share, 100 - share], abs=5)
    assert "The lattice is even" in text


def test_the_report_on_an_order_in_domains_is_true():
    truth = two_variants(0)
    lies = (
        ("one antiphase domain.", "two antiphase domains, 75 % and 25 % of where it is above 0.5."),
        ("at 90 degrees to", "at 45 degrees to"),
        ("is doubled", "is tripled"),
    )
    hold_and_notice(partial(hold_for_order, truth=truth), first_screen(fitted(truth.pixels)), *lies)


def hold_for_domains(text: str, moved_px: float, brightened: float) -> None:
    way = "right" if moved_px > 0 else "left"
    pm, px = numbers(rf"peak 2 moves {way} by ([0-9.]+) pm \(([0-9.]+) px\)", text)
    assert px == pytest.approx(abs(moved_px), rel=0.1)
    assert pm == pytest.approx(1e3 * EDGE_NM * px, rel=0.03)
    said = re.search(r"peak 1 (brightens|dims) by ([0-9.]+) %", text)
    stated = 0.0 if said is None else float(said[2]) * (1 if said[1] == "brightens" else -1)
    assert stated == pytest.approx(brightened, abs=4)
    assert "narrows" not in text
    assert "widens" not in text
    spacing = 24 * (1 + 0.015 / 2)  # it grows by 1.5 % from edge to edge
    assert numbers(r"([0-9.]+) x ([0-9.]+) nm", text) == pytest.approx([EDGE_NM * spacing] * 2, rel=0.01)


def test_the_report_on_polar_domains_is_true():
    """Between the fifths of the cells where z1 is lowest and highest; the simulator's shading dims the columns."""
    microscope = Microscope(shape=(256, 256))
    truth = microscope.frame(0)
    model = fitted(truth.pixels)
    latent_map = model.map(truth.pixels)
    middle = np.stack(np.meshgrid(latent_map.centre_y_px, latent_map.centre_x_px, indexing="ij"))
    column = middle + np.stack([latent_map["dy"], latent_map["dx"]])
    inside = ((column >= CELL_PX) & (column <= 255 - CELL_PX)).all(axis=0)  # whole cells
    z1, at = latent_map["z1"][inside], tuple(np.rint(column[:, inside]).astype(int))
    low, high = (z1 <= np.quantile(z1, 0.2)), (z1 >= np.quantile(z1, 0.8))
    y, x = np.ogrid[0 : np.pi : 256j, 0 : np.pi : 256j]
    shading = (1 + microscope.crystal.shading * np.cos(y) * np.cos(x))[at]
    change = shading[high].mean() / shading[low].mean() - 1
    moved = truth.displacement_px[at]
    hold = partial(hold_for_domains, moved_px=moved[high].mean() - moved[low].mean(), brightened=100 * change)
    lies = ("moves right", "moves left"), ("dims by", "brightens by"), (" pm (", "0 pm (1"), ("0.4", "0.5")
    hold_and_notice(hold, first_screen(model), *lies)
