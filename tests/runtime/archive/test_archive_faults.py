"""Archives when something is wrong: torn chunks, a full disk, foreign outputs. No good frame is lost."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import zarr
from archive_support import ARRAYS, FRAMES, MEAN, arrays_of, chunk_file, digest, movie, write_movie

from shiftvae_rt.archive import blocks, check, map_archive
from shiftvae_rt.archive.layout import DONE, OPEN, open_archive
from shiftvae_rt.cli import main
from shiftvae_rt.errors import DataFileError
from shiftvae_rt.files.recording import FrameStack


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(blocks, "PAUSES_S", (0, 0))


@pytest.fixture
def source(tmp_path):
    return write_movie(tmp_path / "movie.zarr", movie(), chunk=4)


@pytest.fixture
def words(tmp_path, source, tiny_model):
    """Command line, and the folder that it writes."""
    return ["map", str(tiny_model), str(source), "-o", str(tmp_path / "maps.zspy")], tmp_path / "maps.zspy"


@pytest.fixture(scope="module")
def sound(tmp_path_factory, tiny_model):
    """The archive of the same movie, undisturbed."""
    folder = tmp_path_factory.mktemp("sound")
    map_archive(tiny_model, write_movie(folder / "movie.zarr", movie(), chunk=4), folder / "maps.zspy", stride=4)
    return folder / "maps.zspy"


def one_line(capsys, *facts: str) -> None:
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("shiftvae: error")]
    assert len(said) == 1
    for fact in facts:
        assert fact in said[0]


def test_a_torn_block_of_the_input_stays_open_and_is_mapped_once_it_is_whole(words, source, sound, capsys):
    command, output = words
    torn = source / "c" / "1" / "0" / "0"
    whole = torn.read_bytes()
    torn.write_bytes(whole[:1000])
    assert main(command) == 1
    one_line(capsys, f"4 of {FRAMES} frames", "frame 4:", "cannot be read", "--resume")
    arrays, undisturbed = arrays_of(output), arrays_of(sound)
    lost = np.isin(np.arange(FRAMES), range(4, 8))
    np.testing.assert_array_equal(arrays["status"], np.where(lost, OPEN, DONE))
    np.testing.assert_array_equal(arrays[MEAN][~lost], undisturbed[MEAN][~lost])
    assert np.isnan(arrays[MEAN][lost]).all()
    assert main([*command, "--resume"]) == 1
    torn.write_bytes(whole)
    assert main([*command, "--resume"]) == 0
    assert digest(output) == digest(sound)


def test_a_frame_is_read_again_when_its_storage_recovers(words, sound, monkeypatch):
    command, output = words
    read, failures = FrameStack.__getitem__, iter([OSError("stale handle")] * 2)

    def unsteady(stack, at):
        if at == 6 and (failure := next(failures, None)) is not None:
            raise DataFileError("the storage is away") from failure
        return read(stack, at)

    monkeypatch.setattr(FrameStack, "__getitem__", unsteady)
    assert main(command) == 0
    assert next(failures, None) is None
    assert digest(output) == digest(sound)


@pytest.mark.parametrize("array", [name for name in ARRAYS if name != "reason"])  # zarr writes no chunk without one
@pytest.mark.parametrize("block", [2, 9], ids=["middle", "last"])
def test_a_torn_chunk_of_the_output_is_found_and_mapped_again(words, sound, array, block, capsys):
    command, output = words
    assert main(command) == 0
    torn = chunk_file(output, array, block)
    content = torn.read_bytes()
    torn.write_bytes(content[: len(content) // 2])
    capsys.readouterr()
    assert main([*command, "--check"]) == 1
    one_line(capsys, "open", "--resume")
    assert main([*command, "--check", "--resume"]) == 0
    assert main([*command, "--check"]) == 0
    assert digest(output) == digest(sound)


def test_a_map_without_its_values_is_found(words, sound):
    command, output = words
    assert main(command) == 0
    chunk_file(output, MEAN, 3).unlink()  # zarr reads a missing chunk as NaN
    assert check.reopen_damaged(open_archive(str(output))) == [range(12, 16)]
    assert main([*command, "--resume"]) == 0
    assert digest(output) == digest(sound)


_LIMITED = """
import resource, sys
from shiftvae_rt.archive import blocks
from shiftvae_rt.cli import main
blocks.PAUSES_S = (0, 0)
resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500))  # a write of a map's chunk fails half way, as on a full disk
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows limits no file size")
def test_a_full_disk_is_one_line_and_what_was_done_is_kept(words, sound):
    command, output = words
    assert main([*command, "--part", "0/2"]) == 0
    before = arrays_of(output)["status"]
    limited = [sys.executable, "-c", _LIMITED, *command, "--resume"]
    ended = subprocess.run(limited, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1, ended.stderr
    assert "maps.zspy" in ended.stderr
    assert "--resume" in ended.stderr
    np.testing.assert_array_equal(arrays_of(output)["status"], before)
    assert not list(output.rglob("*.partial"))
    assert main([*command, "--resume"]) == 0
    assert digest(output) == digest(sound)


def test_an_output_of_something_else_is_refused_and_left_alone(words, tmp_path, tiny_model, capsys):
    command, output = words
    assert main(command) == 0
    before = digest(output)
    capsys.readouterr()
    other = movie(seed=1)
    write_movie(tmp_path / "other.npy", other)
    write_movie(tmp_path / "shorter.npy", movie()[:20])
    for changed, fact in [
        ([*command, "--resume", "--stride", "8"], "stride"),
        ([*command[:2], str(tmp_path / "other.npy"), *command[3:], "--resume"], "input"),
        ([*command[:2], str(tmp_path / "shorter.npy"), *command[3:], "--resume"], "input"),
        (command, "--resume"),
    ]:
        assert main(changed) == 1
        one_line(capsys, "maps.zspy", fact)
    assert digest(output) == before


def test_another_model_is_refused(words, tmp_path, capsys):
    from tiny_models import write_tiny_model

    command, _ = words
    assert main(command) == 0
    capsys.readouterr()
    other = write_tiny_model(tmp_path / "other.svae", seed=5)
    assert main([command[0], str(other), *command[2:], "--resume"]) == 1
    one_line(capsys, "another model")


@pytest.mark.parametrize("foreign", ["file", "folder", "zarr"])
def test_what_is_no_archive_is_never_removed(words, foreign, capsys):
    command, output = words
    if foreign == "file":
        output.write_text("mine")
    elif foreign == "folder":
        output.mkdir()
        (output / "notes.txt").write_text("mine")
    else:
        zarr.create_array(str(output / "mine"), data=np.arange(3))
    for options in ([], ["--resume"], ["--force"]):
        assert main([*command, *options]) == 1
        one_line(capsys, "maps.zspy")
    assert output.is_file() or (output / "notes.txt").exists() or (output / "mine").exists()


def test_force_begins_anew(words, sound):
    command, output = words
    assert main([*command, "--stride", "8"]) == 0
    assert main([*command, "--force"]) == 0
    assert digest(output) == digest(sound)


@pytest.mark.parametrize(
    ("options", "fact"),
    [
        (["--resume"], "--resume"),
        (["--part", "0/2"], "--part"),
        (["--dask", "local:2"], "--dask"),
        (["--check"], "--check"),
    ],
)
def test_other_endings_take_no_options_of_archives(words, tmp_path, options, fact, capsys):
    command, _ = words
    assert main([*command[:4], str(tmp_path / "maps.npz"), *options]) == 1
    one_line(capsys, fact, ".zspy")


@pytest.mark.parametrize("options", [["--part", "2/2"], ["--part", "1"], ["--dask", "local:0"], ["--dask", "here"]])
def test_wrong_values_of_options_are_wrong_usage(words, options):
    with pytest.raises(SystemExit) as stopped:
        main([*words[0], *options])
    assert stopped.value.code == 2


def test_nothing_to_check_is_said(words, capsys):
    assert main([*words[0], "--check"]) == 1
    one_line(capsys, "no archive")


@pytest.mark.parametrize(("package", "options"), [("zarr", []), ("distributed", ["--dask", "local:1"])])
def test_a_missing_package_is_named_with_its_extra(words, package, options, monkeypatch, capsys):
    monkeypatch.setattr("shiftvae_rt.archive.packages.find_spec", lambda name: None if name == package else True)
    assert main([*words[0], *options]) == 1
    one_line(capsys, package, "shiftvae-rt[scale]")
    assert not words[1].exists()


def test_frames_smaller_than_the_window_leave_nothing_behind(tmp_path, tiny_model, capsys):
    write_movie(tmp_path / "small.npy", movie()[:, :8, :8])
    assert main(["map", str(tiny_model), str(tmp_path / "small.npy"), "-o", str(tmp_path / "maps.zspy")]) == 1
    one_line(capsys, "window")
    assert [path.name for path in tmp_path.iterdir()] == ["small.npy"]
