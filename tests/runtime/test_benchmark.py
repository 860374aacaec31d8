"""`shiftvae benchmark`, and the yardsticks behind it: ratios and counts, never seconds."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest

from shiftvae_rt import LatentMapper, ModelFile, WindowError, _core
from shiftvae_rt.benchmark import (
    cores,
    describe_machine,
    lattice_frame,
    measure_model,
    model_speed,
    multiply_add_rate,
    row_latencies,
    take_turns,
)
from shiftvae_rt.cli import main


@pytest.fixture
def quick(monkeypatch):
    """Little time for each stride."""
    monkeypatch.setattr(model_speed, "BUDGET_S", 0.05)


@pytest.mark.usefixtures("quick")
def test_the_json_has_every_stride_and_number_of_threads_and_the_machine(tiny_model, capsys):
    assert main(["benchmark", str(tiny_model), "--size", "96", "--json"]) == 0
    said = capsys.readouterr()
    found = json.loads(said.out)
    threads = sorted({1, cores()})
    assert [(each["stride"], each["threads"]) for each in found["frames"]] == [
        (stride, n) for stride in (1, 2, 4, 8, 16) for n in threads
    ]
    assert all(each["frames_per_s"] * each["frame_ms"] == pytest.approx(1000) for each in found["frames"])
    assert [row["stride"] for row in found["rows"]] == [1, 2, 4, 8, 16]
    assert all(0 < row["p50_ms"] <= row["p99_ms"] for row in found["rows"])
    assert all(row["rows"] % ((96 - 16) // row["stride"]) == 0 for row in found["rows"])
    assert found["frame"] == [1, 96, 96]
    assert found["machine"]["cpu"]
    assert found["machine"]["isa"] == _core.isa()
    assert found["model"]["sha256"] == ModelFile.read(tiny_model).sha256
    assert all(value > 0 for value in found["limits"].values())
    stages = ["the machine", *(f"stride {stride}" for stride in (1, 2, 4, 8, 16))]
    assert said.err.splitlines() == [f"shiftvae: measuring {stage} ..." for stage in stages]


@pytest.mark.usefixtures("quick")
def test_the_table_fits_a_terminal_and_names_what_was_measured(tiny_model, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tiny_model.parent)
    assert main(["benchmark", tiny_model.name, "--size", "64"]) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    for words in (describe_machine()["cpu"], "GFLOP/s", "GB/s", tiny_model.name, "64 x 64 px", "1 thread", "p99"):
        assert words in out
    assert [line.split()[0] for line in out.splitlines()[-5:]] == ["1", "2", "4", "8", "16"]


@pytest.mark.usefixtures("quick")
def test_a_model_of_signals_has_no_rows(tiny_line_model, capsys):
    assert main(["benchmark", str(tiny_line_model), "--size", "32"]) == 0
    out = capsys.readouterr().out
    assert "1024 px" in out
    assert "p99" not in out


@pytest.mark.parametrize("size", [8, 0, -5])
def test_a_frame_without_a_window_is_refused_before_anything_is_measured(tiny_model, size):
    said = []
    with pytest.raises(WindowError, match=rf"16.*got {size} px"):
        measure_model(ModelFile.read(tiny_model), size=size, say=said.append)
    assert said == []


def test_a_row_is_timed_for_every_row_of_the_map_but_the_first(tiny_model):
    mapper, frame = LatentMapper(tiny_model, stride=4), lattice_frame((1, 64, 48))
    rows = mapper.map(frame).mean.shape[1]
    assert len(row_latencies(mapper, frame)) == rows - 1


def test_the_faster_job_takes_less_time():
    rng = np.random.default_rng(0)
    small, large = rng.normal(size=20_000), rng.normal(size=200_000)
    times = take_turns({"large": lambda: np.sort(large), "small": lambda: np.sort(small)}, 5)
    assert times["large"] / times["small"] > 4


def test_multiply_adds_are_counted_and_take_time_in_proportion():
    assert _core.multiply_add(0) == 0
    assert _core.multiply_add(3000) == 3 * _core.multiply_add(1000) > 0
    times = take_turns({"one": lambda: _core.multiply_add(10**6), "four": lambda: _core.multiply_add(4 * 10**6)}, 9)
    assert 3 < times["four"] / times["one"] < 5


@pytest.mark.clock
def test_no_product_of_matrices_is_faster_than_the_limit():
    n = 1536  # long enough for the processor time of several threads to be known
    a = np.random.default_rng(0).normal(size=(n, n)).astype(np.float32)
    product, limit = 0.0, 0.0
    for _ in range(10):  # in turn, for a processor's clock rises and falls
        start = time.process_time()  # of all threads that the product takes
        a @ a
        product = max(product, 2e-9 * n**3 / (time.process_time() - start))
        limit = max(limit, multiply_add_rate(1))
    assert product < 1.1 * limit


def test_longer_vectors_multiply_more():
    isas = _core.isas()
    if len(isas) < 2:
        pytest.skip("this machine has one instruction set only")
    used = _core.isa()
    try:
        rates = []
        for isa in (isas[0], isas[-1]):
            _core.use_isa(isa)
            rates.append(multiply_add_rate(1, 5))
    finally:
        _core.use_isa(used)
    assert rates[1] > 1.5 * rates[0]
