"""The demo from end to end, with a short training."""

import json
from pathlib import Path

import numpy as np
import pytest

from shiftvae_rt.cli import main
from shiftvae_rt.simulator import Microscope

pytest.importorskip("matplotlib")


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_the_demo_writes_a_map_that_shows_the_order_parameter(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["demo", "-o", str(tmp_path), "--steps", "1200", "--frames", "3", "--fps", "2", "--rows", "64"]) == 0
    summary = json.loads((tmp_path / "summary.json").read_text())
    stream = summary["stream"]
    settled = stream["processed"] + stream["dropped_producer"] + stream["dropped_stale"]
    assert stream["offered"] == settled + stream["rejected"] + stream["quarantined"] == 3
    assert stream["maps"] == stream["processed"] > 0
    assert summary["scores"]["r2"] > 0.8
    assert max(summary["scores"]["shift_rms_px"]) < 0.3
    table = capsys.readouterr().out
    assert "offered 3 = processed" in table
    assert "age of results" in table
    with np.load(tmp_path / "latent_map.npz") as result:
        assert list(result["names"]) == ["dy", "dx", "z1"]  # the scan has one order parameter
        assert len(result["mean"]) == 3
    assert (tmp_path / "latent_map.png").stat().st_size > 50_000
    assert (tmp_path / "model.svae").exists()


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_the_demo_takes_a_stack_of_ones_own_and_streams_the_frames_it_did_not_train_on(tmp_path: Path):
    microscope = Microscope(shape=(160, 192), seed=3)
    np.save(tmp_path / "scan.npy", np.stack([microscope.frame(i).pixels for i in range(4)]))
    command = ["demo", "-o", str(tmp_path / "out"), "--input", str(tmp_path / "scan.npy"), "--steps", "60"]
    assert main([*command, "--frames", "5", "--fps", "10", "--rows", "32"]) == 0
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["scores"] is None
    assert summary["stream"]["offered"] == 5
    assert summary["stream"]["frame_shape"] == [160, 192]


def test_a_file_without_a_period_is_declined_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    np.save(tmp_path / "noise.npy", np.random.default_rng(0).poisson(50, size=(200, 200)).astype(np.uint16))
    assert main(["demo", "-o", str(tmp_path / "out"), "--input", str(tmp_path / "noise.npy")]) == 1
    *stages, said = capsys.readouterr().err.splitlines()
    assert all(stage.startswith(("shiftvae: ", "  ")) for stage in stages)
    assert "no period" in said
