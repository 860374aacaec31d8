"""The runs of a sweep: their names, their words, and when they are done."""

from __future__ import annotations

import pytest

from shiftvae_rt.errors import DataFileError, TrainingError
from shiftvae_training.sweeping.runs import make_runs


def test_there_is_a_run_for_every_combination(tmp_path):
    runs = make_runs(tmp_path, ["scan.npy", "--steps", "9"], [["encoder", "mlp", "convolutional"], ["seed", "0", "1"]])
    assert [run.name for run in runs] == [
        "encoder-mlp_seed-0", "encoder-mlp_seed-1", "encoder-convolutional_seed-0", "encoder-convolutional_seed-1",
    ]  # fmt: skip
    assert runs[1].words == ("scan.npy", "--steps", "9", "--encoder=mlp", "--seed=1")
    assert runs[1].values == {"encoder": "mlp", "seed": "1"}


def test_a_name_is_one_that_every_disk_takes(tmp_path):
    (run,) = make_runs(tmp_path, ["scan.npy"], [["cell", "(1,2),(3,4)"]])
    assert run.name == "cell-1-2-3-4"
    assert run.words[-1] == "--cell=(1,2),(3,4)"


@pytest.mark.parametrize(
    ("varied", "reason"),
    [
        ([["sead", "0"]], "got 'sead'"),
        ([["seed"]], "values after --vary seed"),
        ([["seed", "0", "1", "0"]], "seed-0 twice"),
        ([["seed", "0"], ["seed", "1"]], "once in --vary"),
        ([["cell", "(1,2),(3,4)", "(1,2),(3,4 )"]], "cell-1-2-3-4 twice"),
        ([["steps", "1", "2"]], "--steps is given to train and to --vary"),
    ],
    ids=["unknown", "empty", "value", "option", "name", "both"],
)
def test_what_cannot_vary_is_refused(tmp_path, varied, reason):
    with pytest.raises(TrainingError, match=reason):
        make_runs(tmp_path, ["scan.npy", "--steps=9"], varied)


def test_constraints_vary_beside_those_of_all_runs(tmp_path):
    runs = make_runs(tmp_path, ["scan.npy", "--constraint=smooth=1"], [["constraint", "smooth=1", "smooth=3"]])
    assert [run.name for run in runs] == ["constraint-smooth-1", "constraint-smooth-3"]


def test_a_run_is_done_when_model_and_summary_are_there(tmp_path):
    (run,) = make_runs(tmp_path, ["scan.npy"], [["seed", "0"]])
    assert run.summary() is None
    run.checkpoint.write_bytes(b"half")
    run.keep({"held_out_loss": 1.5})
    assert run.summary() is None  # the model is missing
    run.model.write_bytes(b"model")
    assert run.summary() == {"held_out_loss": 1.5}
    assert not run.checkpoint.exists()


def test_runs_of_another_sweep_are_refused(tmp_path):
    (run,) = make_runs(tmp_path, ["scan.npy"], [["seed", "0"]])
    run.keep({})
    run.model.write_bytes(b"model")
    (other,) = make_runs(tmp_path, ["other.npy"], [["seed", "0"]])
    with pytest.raises(DataFileError, match=r"other scans or options \(train scan\.npy --seed=0\)"):
        other.summary()


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"train": 3, "summary": {}}'])
def test_a_damaged_summary_is_named(tmp_path, content):
    (run,) = make_runs(tmp_path, ["scan.npy"], [["seed", "0"]])
    run.model.write_bytes(b"model")
    (tmp_path / "seed-0.json").write_bytes(content)
    with pytest.raises(DataFileError, match=r"seed-0\.json is no summary of a run"):
        run.summary()
