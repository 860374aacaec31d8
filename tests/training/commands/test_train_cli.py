"""`shiftvae train` from a file to a model file; what cannot be is said on one line."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from shiftvae_rt import LatentMapper, ModelFile
from shiftvae_rt.cli import main
from shiftvae_rt.errors import DataFileError, PixelSizeError
from shiftvae_rt.line_simulator import LineCrystal
from shiftvae_training import scans as scans_module
from shiftvae_training.commands import summary
from shiftvae_training.scans import parse_frames, read_scans

SHORT = ["--encoder", "mlp", "--steps", "30"]


@pytest.fixture
def file(scan, tmp_path):
    """A stack of three frames."""
    path = tmp_path / "scan.npy"
    np.save(path, np.stack([scan.microscope.frame(i).pixels for i in range(3)]))
    return path


@pytest.fixture
def output(tmp_path):
    return tmp_path / "model.svae"


def refused(capsys, *arguments, code=1) -> str:
    """The one line on stderr of a command that must fail."""
    try:
        returned = main([str(a) for a in arguments])
    except SystemExit as left:
        returned = left.code
    said = capsys.readouterr()
    assert returned == code, said.err
    assert said.out == ""
    line = said.err.strip().splitlines()[-1]
    if code == 1:
        *before, line = said.err.splitlines()
        assert all(stage.startswith(("shiftvae: ", "  ")) for stage in before), said.err
        assert line.startswith("shiftvae: error: ")
    assert "Traceback" not in said.err
    return line


def test_a_file_becomes_a_model_that_maps(file, output, capsys):
    assert main(["train", str(file), "-o", str(output), "--seed", "5", *SHORT]) == 0
    said = capsys.readouterr()
    told = " ".join(said.out.split())
    assert "exactness" in told
    assert "mlp encoder, window 16 x 16 px" in told
    manifest = ModelFile.read(output).manifest
    assert "chosen window 16 px = 1.3 periods: expected to explain" in told
    assert [reason.split()[0] for reason in manifest.training.choices] == ["window", "1", "smoothness"]
    assert all(reason in told for reason in manifest.training.choices)
    assert manifest.training.seed == 5
    assert manifest.training.steps == 30
    assert manifest.data[0].name == "scan.npy"
    assert manifest.data[0].frames == 3
    assert len(manifest.data[0].sha256) == 64
    assert LatentMapper(output).map(np.load(file)[1]).mean.shape == (3, 45, 45)
    assert main(["inspect", str(output)]) == 0


def test_the_summary_is_json_where_a_program_reads_it(file, output, capsys):
    arguments = ["--frames", "0:2", "--latents", "1", "--constraint", "smooth=3", "--window", "20", "--json", *SHORT]
    assert main(["train", str(file), "-o", str(output), *arguments]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["window_px"] == [20, 20]
    assert summary["steps"] == 30
    assert list(summary["information_nats"]) == ["dy", "dx", "z1"]
    assert summary["onnx_against_torch"] <= 1e-4
    manifest = ModelFile.read(output).manifest
    assert manifest.training.constraints["smooth"] == 3
    assert summary["choices"] == list(manifest.training.choices) == []  # all was given
    assert manifest.training.constraints["displacement"] > 0
    assert manifest.data[0].frames == 2


def test_without_a_report_no_figures_are_loaded(file, output):
    code = """
import json, sys
from shiftvae_rt.cli import main
code = main(sys.argv[1:])
print(json.dumps([code, "matplotlib" in sys.modules]))
"""
    words = ["train", file, "-o", output, "--frames", "0", "--no-report", *SHORT]
    command = [sys.executable, "-c", code, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == [0, False], done.stderr
    assert not output.with_suffix(".html").exists()
    assert ModelFile.read(output).report is None
    assert "  report " not in done.stdout


def test_signals_train_by_the_same_command(tmp_path, output):
    np.save(tmp_path / "line.npy", np.stack([LineCrystal(length=1500).line(i).samples for i in range(2)]))
    assert main(["train", str(tmp_path / "line.npy"), "-o", str(output), "--signal", *SHORT]) == 0
    manifest = ModelFile.read(output).manifest
    assert manifest.dimensions == 1
    assert manifest.data[0].frames == 2


def test_a_missing_file_is_named(tmp_path, output, capsys):
    assert "nothing.npy" in refused(capsys, "train", tmp_path / "nothing.npy", "-o", output)
    assert not output.exists()


@pytest.mark.parametrize("data", [b"", b"not an array"], ids=["empty", "garbage"])
def test_a_file_that_is_none_is_named(tmp_path, output, capsys, data):
    (tmp_path / "bad.npy").write_bytes(data)
    assert "bad.npy" in refused(capsys, "train", tmp_path / "bad.npy", "-o", output)


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (np.random.default_rng(0).normal(size=(200, 200)), "no period"),
        (np.full((128, 128), 3.0), "constant (every pixel is 3"),
        (np.full((128, 128), np.nan), "NaN or infinite"),
    ],
    ids=["noise", "constant", "NaN"],
)
def test_frames_that_cannot_be_trained_on_are_declined(tmp_path, output, capsys, frame, reason):
    np.save(tmp_path / "scan.npy", frame)
    assert reason in refused(capsys, "train", tmp_path / "scan.npy", "-o", output)
    assert not output.exists()


def test_a_window_that_the_encoder_cannot_have_is_declined(file, output, capsys):
    line = refused(capsys, "train", file, "-o", output, "--window", "30")
    assert "the convolutional encoder needs a window that is a multiple of 4 px" in line


def test_the_output_is_checked_before_a_minute_is_spent(file, tmp_path, capsys):
    (tmp_path / "folder.svae").mkdir()
    for name, reason in (
        ("model.onnx", "ends in .svae"),
        ("nowhere/model.svae", "there is no folder"),
        ("folder.svae", "it is a folder"),
        ("a" * 251 + ".svae", "name too long"),
    ):
        assert reason in refused(capsys, "train", file, "-o", tmp_path / name, "--steps", "1000000")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_missing_is_named_before_the_work(file, output, capsys):
    assert "--device c" in refused(capsys, "train", file, "-o", output, "--device", "cuda")
    assert not output.exists()


def test_frames_that_are_not_there_are_named(file, output, capsys):
    assert "has 3 frames" in refused(capsys, "train", file, "-o", output, "--frames", "7:9")


@pytest.mark.parametrize(
    ("option", "value", "reason"),
    [
        ("--frames", "a:b", "expected one frame as 7"),
        ("--frames", "-1", "expected one"),
        ("--window", "0", "window to be a whole number of at least 4"),
        ("--encoder", "resnet", "encoder to be one of convolutional, mlp, got 'resnet'"),
        ("--seed", "99999999999999", "from 0 to 2147483647, got 99999999999999"),
    ],
)
def test_wrong_usage_leaves_with_code_two(file, output, capsys, option, value, reason):
    assert reason in refused(capsys, "train", file, "-o", output, f"{option}={value}", code=2)


def test_a_command_without_its_output_leaves_with_code_two(file, capsys):
    assert "--output" in refused(capsys, "train", file, code=2)


@pytest.mark.parametrize(
    ("text", "wanted"), [("7", slice(7, 8)), ("0:20", slice(0, 20)), (":20", slice(None, 20)), ("5:", slice(5, None))]
)
def test_frames_are_read_as_people_write_them(text, wanted):
    assert parse_frames(text) == wanted


@pytest.mark.parametrize("text", ["", "x", "1:x", "-1", "1:2:3", "1.5", "²"])
def test_other_ways_to_write_frames_are_refused(text):
    with pytest.raises(ValueError, match="expected one frame as 7, or frames as 0:20"):
        parse_frames(text)


def test_scans_of_several_files_are_put_together(file, tmp_path):
    np.save(tmp_path / "more.npy", np.eye(192, dtype=np.uint16))
    scans = read_scans([str(file), str(tmp_path / "more.npy")], which=slice(0, 2))
    assert [frame.shape for frame in scans.frames] == [(1, 192, 192)] * 3
    assert [source.name for source in scans.sources] == ["scan.npy", "more.npy"]
    assert [source.frames for source in scans.sources] == [2, 1]
    assert scans.pixel_size_nm is None


def test_scans_of_different_kinds_are_refused(file, tmp_path):
    np.save(tmp_path / "line.npy", np.arange(500, dtype=np.float32))
    with pytest.raises(DataFileError, match="train on one kind"):
        read_scans([str(file), str(tmp_path / "line.npy")])


def test_scans_of_different_magnification_are_refused(file, monkeypatch):
    from dataclasses import replace

    true_read = scans_module.read_frames
    sizes = iter([0.02, 0.0207, 0.02, 0.0205])

    def read(path, **options):
        size = next(sizes)
        return [replace(frame, pixel_size_nm=size) for frame in true_read(path, **options)]

    monkeypatch.setattr(scans_module, "read_frames", read)
    with pytest.raises(PixelSizeError, match=r"pixel sizes from 0\.02 to 0\.0207 nm in y, more than 3 % apart"):
        read_scans([str(file), str(file)])
    assert read_scans([str(file), str(file)]).pixel_size_nm == pytest.approx((0.02025, 0.02025))


def test_the_help_names_every_constraint(capsys):
    with pytest.raises(SystemExit) as left:
        main(["train", "--help"])
    assert left.value.code == 0
    said = capsys.readouterr().out
    assert "displacement" in said
    assert "smooth" in said


@pytest.mark.parametrize(
    ("shift", "content", "words"),
    [
        ((4.1, 4.0), (2.0, 0.0), []),
        ((4.1, 0.02), (2.0,), ["shift 0.02 nats"]),
        ((4.1, 4.0), (0.05, 0.01), ["no variation of the motif was found"]),
        ((4.1, 4.0), (), []),
        ((0.1, 0.1), (0.0,), ["(shift 0.10 nats)", "no variation"]),
    ],
    ids=str,
)
def test_a_training_that_found_nothing_warns(shift, content, words):
    found = summary._warnings(shift, content)
    assert len(found) == len(words)
    assert all(word in warning for word, warning in zip(words, found, strict=True))


def test_a_checkpoint_that_cannot_be_written_is_named_before_the_work(file, output, tmp_path, capsys):
    said = refused(capsys, "train", file, "-o", output, "--checkpoint", tmp_path / "nowhere" / "training", *SHORT)
    assert "nowhere" in said
    assert not output.exists()
