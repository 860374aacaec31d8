"""The command: what it prints, and that every mistake costs one line and an exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import tifffile

from shiftvae_rt import LatentMapper, __version__
from shiftvae_rt.cli import main
from shiftvae_rt.files import read_frames


@pytest.fixture
def shiftvae(capfd):
    """Runs the command in this process; gives exit code, stdout and stderr."""

    def run(*arguments):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = stop.code
        out, err = capfd.readouterr()
        return code, out, err

    return run


@pytest.fixture
def frame_file(tmp_path):
    path = tmp_path / "frame.npy"
    np.save(path, np.random.default_rng(0).poisson(50, (48, 64)).astype(np.uint16))
    return path


def assert_one_line(result, code=1):
    assert result[0] == code
    assert result[2].count("\n") == 1, result[2]
    assert result[2].startswith("shiftvae")
    assert ": error: " in result[2]
    assert "Traceback" not in result[2]


class TestMap:
    def test_writes_what_the_mapper_gives(self, shiftvae, tmp_path, tiny_model, frame_file):
        code, out, err = shiftvae("map", tiny_model, frame_file, "-o", tmp_path / "out.npz", "--stride", 2)
        assert (code, err) == (0, "")
        assert "out.npz" in out
        expected = LatentMapper(tiny_model, stride=2).map(np.load(frame_file))
        with np.load(tmp_path / "out.npz") as read:
            np.testing.assert_array_equal(read["mean"], expected.mean)
            np.testing.assert_array_equal(read["std"], expected.std)

    def test_verbose_says_how_frames_are_encoded(self, shiftvae, tmp_path, tiny_model, frame_file):
        code, _, err = shiftvae("map", tiny_model, frame_file, "-o", tmp_path / "out.npz", "-v")
        assert code == 0
        provider, route = err.splitlines()[:2]
        assert provider == "shiftvae: provider native (the usual one of this model)"
        assert route.startswith("shiftvae: route dense, stride 4: neighbouring windows share their work")

    @pytest.mark.parametrize("ending", [".npz", ".tif", ".hspy", ".png"])
    def test_writes_every_format(self, shiftvae, tmp_path, tiny_model, frame_file, ending):
        assert shiftvae("map", tiny_model, frame_file, "-o", tmp_path / f"out{ending}")[0] == 0
        assert (tmp_path / f"out{ending}").stat().st_size > 1000

    def test_maps_all_frames_of_a_stack_or_the_one_that_is_asked_for(self, shiftvae, tmp_path, tiny_model):
        np.save(tmp_path / "movie.npy", np.random.default_rng(0).poisson(50, (3, 32, 40)).astype(np.int16))
        shiftvae("map", tiny_model, tmp_path / "movie.npy", "-o", tmp_path / "all.npz")
        shiftvae("map", tiny_model, tmp_path / "movie.npy", "-o", tmp_path / "one.npz", "--frame", 1)
        with np.load(tmp_path / "all.npz") as every, np.load(tmp_path / "one.npz") as one:
            assert every["mean"].shape == (3, 4, 5, 7)
            np.testing.assert_array_equal(every["mean"][1], one["mean"])

    @pytest.mark.parametrize("bad", [0, 1], ids=["first", "second"])
    @pytest.mark.parametrize(("value", "words"), [(np.nan, "NaN"), (7.0, "constant")])
    def test_a_frame_that_fails_is_nan_and_named_and_the_others_are_mapped(
        self, shiftvae, tmp_path, tiny_model, bad, value, words
    ):
        movie = np.random.default_rng(0).normal(size=(3, 32, 40)).astype(np.float32)
        movie[bad] = value
        np.save(tmp_path / "movie.npy", movie)
        command = ("map", tiny_model, tmp_path / "movie.npy", "-o", tmp_path / "out.npz")
        code, out, err = shiftvae(*command)
        assert code == 0
        assert "3 frames" in " ".join(out.split())  # a line may break there, by the length of the path
        assert "warning: 1 of 3 frames" in " ".join(err.split())
        assert f"movie.npy[{bad}]" in err
        assert words in err
        with np.load(tmp_path / "out.npz") as read:
            assert [bool(np.isnan(mean).all()) for mean in read["mean"]] == [at == bad for at in range(3)]
            np.testing.assert_array_equal(read["mean"][2], LatentMapper(tiny_model).map(movie[2]).mean)
            assert np.isnan(read["std"][bad]).all()
        code, _, err = shiftvae(*command, "--strict", "--force")
        assert code == 1
        assert err.splitlines()[-1].startswith("shiftvae: error: 1 of 3 frames")

    @pytest.mark.parametrize("ending", [".tif", ".hspy"])
    def test_every_format_of_stacks_takes_a_frame_that_failed(self, shiftvae, tmp_path, tiny_model, ending):
        movie = np.random.default_rng(0).normal(size=(2, 32, 40))
        movie[0] = 0
        np.save(tmp_path / "movie.npy", movie)
        assert shiftvae("map", tiny_model, tmp_path / "movie.npy", "-o", tmp_path / f"out{ending}")[0] == 0
        assert (tmp_path / f"out{ending}").stat().st_size > 1000

    def test_a_frame_that_cannot_be_read_is_nan_and_named(self, shiftvae, tmp_path, tiny_model):
        path = tmp_path / "movie.tif"
        movie = np.random.default_rng(0).normal(size=(3, 32, 40)).astype(np.float32)
        tifffile.imwrite(path, movie, compression="zlib", photometric="minisblack")
        with tifffile.TiffFile(path) as file:
            begin = file.pages[1].dataoffsets[0]
        damaged = bytearray(path.read_bytes())
        damaged[begin + 40 : begin + 80] = bytes(40)
        path.write_bytes(damaged)
        code, _, err = shiftvae("map", tiny_model, path, "-o", tmp_path / "out.npz")
        assert code == 1
        assert "frame 1" in err.splitlines()[-1]
        with np.load(tmp_path / "out.npz") as read:
            assert [bool(np.isnan(mean).all()) for mean in read["mean"]] == [False, True, False]

    def test_a_stack_of_which_no_frame_can_be_mapped_writes_nothing(self, shiftvae, tmp_path, tiny_model):
        np.save(tmp_path / "movie.npy", np.zeros((3, 32, 40)))
        result = shiftvae("map", tiny_model, tmp_path / "movie.npy", "-o", tmp_path / "out.npz")
        assert_one_line(result)
        assert "movie.npy[0]" in result[2]
        assert not (tmp_path / "out.npz").exists()

    def test_maps_signals_with_the_same_command(self, shiftvae, tmp_path, tiny_line_model):
        np.save(tmp_path / "line.npy", np.random.default_rng(0).normal(size=100))
        assert shiftvae("map", tiny_line_model, tmp_path / "line.npy", "-o", tmp_path / "out.npz")[0] == 0
        with np.load(tmp_path / "out.npz") as read:
            assert read["mean"].shape == (3, 1, 22)

    @pytest.mark.parametrize(
        "name", ["DMReader_Image_SI-Survey.dm3", "Grain_boundry_gold_512px.png", "LLTO.jpg", "G-GrainBoundary-4nm.hdf5"]
    )
    def test_maps_real_files(self, shiftvae, tmp_path, tiny_model, real_data, name):
        path = real_data(name)
        assert shiftvae("map", tiny_model, path, "-o", tmp_path / "out.npz")[0] == 0
        expected = LatentMapper(tiny_model).map(read_frames(path)[0].pixels)
        with np.load(tmp_path / "out.npz") as read:
            np.testing.assert_array_equal(read["mean"], expected.mean)


class TestInspect:
    def test_says_what_the_model_is_and_that_it_was_checked(self, shiftvae, tiny_model):
        code, out, err = shiftvae("inspect", tiny_model)
        assert (code, err) == (0, "")
        assert "window 16 x 16 px" in out
        assert "latent dy" in out
        assert "passed" in out

    def test_gives_json_to_programs(self, shiftvae, tiny_model):
        code, out, _ = shiftvae("inspect", tiny_model, "--json")
        found = json.loads(out)
        assert code == 0
        assert found["checked"] is True
        assert found["window"] == [16, 16]
        assert [latent["name"] for latent in found["latents"]] == ["dy", "dx", "z1", "z2"]


class TestBadInput:
    """The row of bad input that the first issue asks for, but for what needs a service or a training."""

    @pytest.mark.parametrize(
        ("name", "content", "words"),
        [
            ("missing.png", None, "is missing"),
            ("empty.tif", b"", "is empty"),
            ("text.dm4", b"dear diary\n" * 99, "expected a DigitalMicrograph file"),
            ("frame.xyz", b"x", "ending"),
        ],
    )
    def test_file(self, shiftvae, tmp_path, tiny_model, name, content, words):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        result = shiftvae("map", tiny_model, tmp_path / name, "-o", tmp_path / "out.npz")
        assert_one_line(result)
        assert words in result[2]
        assert not (tmp_path / "out.npz").exists()

    def test_truncated_file(self, shiftvae, tmp_path, tiny_model, frame_file):
        frame_file.write_bytes(frame_file.read_bytes()[:-100])
        assert_one_line(shiftvae("map", tiny_model, frame_file, "-o", tmp_path / "out.npz"))

    @pytest.mark.parametrize(
        ("frame", "words"),
        [
            (np.full((32, 32), np.nan), "NaN"),
            (np.full((32, 32), 7, np.uint8), "constant"),
            (np.eye(8, dtype=np.float32), "smaller than the window"),
            (np.ones(50), "expected 2D frames"),
            (np.eye(32, dtype=complex), "complex128"),
        ],
        ids=["nan", "constant", "small", "signal", "complex"],
    )
    def test_frame(self, shiftvae, tmp_path, tiny_model, frame, words):
        np.save(tmp_path / "bad.npy", frame)
        result = shiftvae("map", tiny_model, tmp_path / "bad.npy", "-o", tmp_path / "out.npz")
        assert_one_line(result)
        assert words in result[2]
        assert "bad.npy" in result[2], "the user has to know which file"

    def test_a_bad_frame_of_a_stack_is_named(self, shiftvae, tmp_path, tiny_model):
        stack = np.random.default_rng(0).normal(size=(3, 32, 32))
        stack[1, 5, 5] = np.nan
        np.save(tmp_path / "movie.npy", stack)
        result = shiftvae("map", tiny_model, tmp_path / "movie.npy", "-o", tmp_path / "out.npz", "--strict")
        assert_one_line(result)
        assert "movie.npy[1]" in result[2]

    @pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
    def test_truncated_model(self, shiftvae, tmp_path, tiny_model, frame_file, share):
        whole = tiny_model.read_bytes()
        (tmp_path / "bad.svae").write_bytes(whole[: int(len(whole) * share)])
        assert_one_line(shiftvae("map", tmp_path / "bad.svae", frame_file, "-o", tmp_path / "out.npz"))
        assert_one_line(shiftvae("inspect", tmp_path / "bad.svae"))

    def test_model_with_a_flipped_bit(self, shiftvae, tmp_path, tiny_model):
        whole = bytearray(tiny_model.read_bytes())
        whole[len(whole) // 2] ^= 1
        (tmp_path / "bad.svae").write_bytes(whole)
        assert_one_line(shiftvae("inspect", tmp_path / "bad.svae"))

    def test_foreign_model(self, shiftvae, tmp_path):
        np.savez(tmp_path / "foreign.svae.npz", a=1)
        assert_one_line(shiftvae("inspect", tmp_path / "foreign.svae.npz"))
        assert_one_line(shiftvae("inspect", tmp_path / "no such\nmodel.svae"))

    def test_pixel_size(self, shiftvae, tmp_path, tiny_model, real_data):
        result = shiftvae("map", tiny_model, real_data("BTO_crystal_1.dm4"), "-o", tmp_path / "out.npz")
        assert_one_line(result)
        assert "0.02966" in result[2]
        assert "0.02 nm/px" in result[2]

    def test_stride_that_the_model_lacks(self, shiftvae, tmp_path, tiny_model, frame_file):
        assert_one_line(shiftvae("map", tiny_model, frame_file, "-o", tmp_path / "out.npz", "--stride", 0))

    def test_output_that_cannot_be_written(self, shiftvae, tmp_path, tiny_model, frame_file):
        assert_one_line(shiftvae("map", tiny_model, frame_file, "-o", tmp_path / "no" / "out.npz"))
        assert_one_line(shiftvae("map", tiny_model, frame_file, "-o", tmp_path / "out.csv"))

    def test_frame_number_beyond_the_stack(self, shiftvae, tmp_path, tiny_model, frame_file):
        result = shiftvae("map", tiny_model, frame_file, "-o", tmp_path / "out.npz", "--frame", 1)
        assert_one_line(result)
        assert "1 frame," in result[2]


class TestUsage:
    @pytest.mark.parametrize(
        "arguments",
        [
            (),
            ("fly",),
            ("map",),
            ("map", "m.svae", "f.npy"),
            ("map", "m", "f", "-o", "o", "--frame", "-1"),
            ("--nope",),
        ],
        ids=" ".join,
    )
    def test_wrong_usage_is_one_line_and_2(self, shiftvae, arguments):
        assert_one_line(shiftvae(*arguments), code=2)

    def test_version(self, shiftvae):
        assert shiftvae("--version") == (0, f"shiftvae-rt {__version__}\n", "")

    def test_help_lists_the_commands(self, shiftvae):
        code, out, _ = shiftvae("--help")
        assert code == 0
        assert "inspect" in out
        assert "map" in out

    def test_an_interrupt_is_130(self, shiftvae, monkeypatch, tiny_model):
        def interrupt(*_):
            raise KeyboardInterrupt

        monkeypatch.setattr("shiftvae_rt.commands.inspect._summary", interrupt)
        assert shiftvae("inspect", tiny_model) == (130, "", "shiftvae: stopped by Ctrl-C\n")

    def test_a_missing_package_names_the_extras(self, shiftvae, monkeypatch, tiny_model):
        def missing(*_):
            raise ModuleNotFoundError("No module named 'torch'", name="torch")

        monkeypatch.setattr("shiftvae_rt.commands.inspect._summary", missing)
        result = shiftvae("inspect", tiny_model)
        assert_one_line(result)
        assert "'torch'" in result[2]
        assert "'shiftvae-rt[cpu,io,train]'" in result[2]

    def test_a_reader_that_leaves_early_causes_no_traceback(self, tiny_model):
        command = [sys.executable, "-m", "shiftvae_rt", "inspect", str(tiny_model), "--json"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            process.stdout.close()
            assert process.stderr.read() == b""
            assert process.wait(60) == 1


def test_a_command_of_the_runtime_does_not_wait_for_the_training_half(tiny_model):
    code = "import sys; from shiftvae_rt.cli import main; main(sys.argv[1:]); print('torch' in sys.modules)"
    for words, torch in ((["inspect", str(tiny_model), "--json"], "False"), (["train", "nothing", "-o", "x"], "True")):
        command = [sys.executable, "-W", "ignore", "-c", code, *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.stdout.splitlines()[-1] == torch, done.stderr


def test_the_package_runs_as_a_module():
    command = [sys.executable, "-m", "shiftvae_rt", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout.split()[0]) == (0, "shiftvae-rt")


def test_a_console_that_cannot_show_a_name_shows_it_escaped(tmp_path):
    path = tmp_path / "скан.svae"
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252"}
    command = [sys.executable, "-m", "shiftvae_rt", "inspect", str(path)]
    done = subprocess.run(command, capture_output=True, env=environment, timeout=60, check=False)
    assert done.returncode == 1
    assert b"\\u0441" in done.stderr
    assert b"Traceback" not in done.stderr
