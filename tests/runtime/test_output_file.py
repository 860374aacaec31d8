"""Results find their way out: it is tried before the work, nothing is replaced unasked, and nothing is left half."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from shiftvae_rt import LatentMapper
from shiftvae_rt.cli import main
from shiftvae_rt.errors import DataFileError
from shiftvae_rt.output_file import try_output, whole_or_nothing, write_whole

#: A command, and the words after it; every input is missing, so that the work cannot begin.
COMMANDS = {
    "map": (["map", "no.svae", "no.npy", "-o", "OUT.npz"], "OUT.npz"),
    "inspect": (["inspect", "no.svae", "--report", "OUT.html"], "OUT.html"),
    "export": (["export", "no.journal", "run", "-o", "OUT.hspy"], "OUT.hspy"),
    "train": (["train", "no.npy", "-o", "OUT.svae"], "OUT.svae"),
    "train beside a page": (["train", "no.npy", "-o", "OUT.svae"], "OUT.html"),
    "import": (["import", "no.pt", "no.npy", "--from", "pyroved", "--invariances", "t", "-o", "OUT.svae"], "OUT.svae"),
    **{
        f"demo, {name}": (["demo", "-o", ".", "--input", "no.npy"], name)
        for name in ("model.svae", "model.html", "latent_map.png", "latent_map.npz", "summary.json")
    },
}


@contextmanager
def closed(folder: Path):
    """The folder takes no new files, for us either if we are root."""
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    folder.chmod(0o555)
    if root:
        for above in folder.parents:
            with suppress(PermissionError):
                above.chmod(above.stat().st_mode | 0o011)
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o755)


@pytest.mark.parametrize(("words", "taken"), COMMANDS.values(), ids=COMMANDS)
def test_a_file_that_is_there_is_refused_before_the_work_and_stays(words, taken, tmp_path, monkeypatch, capsys):
    if words[0] in ("train", "import", "demo"):
        pytest.importorskip("shiftvae_training")
    monkeypatch.chdir(tmp_path)
    Path(taken).write_text("my notes")
    assert main(words) == 1
    said = capsys.readouterr().err
    assert taken in said
    assert "--force" in said
    assert Path(taken).read_text() == "my notes"
    assert main([*words, "--force"]) == 1
    assert (
        "missing" in (said := capsys.readouterr().err) or "no.svae" in said or "no.pt" in said or "no journal" in said
    )
    assert [path.name for path in tmp_path.iterdir()] == [taken]


@pytest.mark.skipif(sys.platform == "win32", reason="folders of Windows have no such mode")
@pytest.mark.parametrize(("words", "taken"), COMMANDS.values(), ids=COMMANDS)
def test_a_folder_without_permission_is_refused_before_the_work(words, taken, tmp_path, monkeypatch, capsys):
    del taken
    if words[0] in ("train", "import", "demo"):
        pytest.importorskip("shiftvae_training")
    monkeypatch.chdir(tmp_path)
    with closed(tmp_path):
        assert main(words) == 1
    assert "Permission denied" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["a" * 252 + ".npz", "no/a.npz", "file/a.npz", "folder.npz"])
def test_a_place_that_cannot_be_is_refused(name, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(DataFileError, match="cannot write"):
        try_output(tmp_path / name, force=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.npz"]


def test_a_link_to_nothing_is_a_file_that_is_there(tmp_path):
    (tmp_path / "a.npz").symlink_to(tmp_path / "elsewhere.npz")
    with pytest.raises(DataFileError, match="exists and is not replaced"):
        try_output(tmp_path / "a.npz", force=False)


def test_a_disk_without_room_is_told_with_both_numbers(tmp_path):
    try_output(tmp_path / "a.npz", force=False, room=1)
    with pytest.raises(DataFileError, match=r"1000000000000 MB, and \d+ MB are free"):
        try_output(tmp_path / "a.npz", force=False, room=10**18)


def test_a_map_that_finds_no_room_stops_after_its_first_frame(tiny_model, tmp_path, monkeypatch, capsys):
    np.save(tmp_path / "stack.npy", np.random.default_rng(0).poisson(50, (80, 48, 64)).astype(np.uint16))
    words = ["map", str(tiny_model), str(tmp_path / "stack.npy"), "-o", str(tmp_path / "a.npz"), "--stride", "1"]
    one = LatentMapper(tiny_model, stride=1).map(np.load(tmp_path / "stack.npy")[0]).mean.nbytes
    mapped = []
    true_map = LatentMapper.map
    monkeypatch.setattr(LatentMapper, "map", lambda *a, **k: mapped.append(1) or true_map(*a, **k))
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=80 * one - 1))
    assert main(words) == 1
    assert (len(mapped), "make room" in capsys.readouterr().err) == (1, True)
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=80 * one))
    assert main(words) == 0


@pytest.mark.parametrize("ending", [".NPZ", ".Tif", ".HSPY", ".PNG"])
def test_endings_have_no_case(ending, tiny_model, tmp_path):
    np.save(tmp_path / "frame.npy", np.random.default_rng(0).poisson(50, (48, 64)).astype(np.uint16))
    assert main(["map", str(tiny_model), str(tmp_path / "frame.npy"), "-o", str(tmp_path / f"X{ending}")]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"X{ending}", "frame.npy"]


_LIMITED = """
import resource, signal, sys
from shiftvae_rt.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))  # Python ignores the signal: a write fails half way
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows limits no file size")
@pytest.mark.parametrize("ending", [".npz", ".tif", ".hspy", ".png"])
def test_a_write_that_fails_half_way_is_one_line_and_leaves_nothing(ending, tiny_model, tmp_path):
    np.save(tmp_path / "frame.npy", np.random.default_rng(0).poisson(50, (256, 256)).astype(np.uint16))
    words = ["map", str(tiny_model), str(tmp_path / "frame.npy"), "-o", str(tmp_path / f"a{ending}"), "--stride", "1"]
    ended = subprocess.run(
        [sys.executable, "-c", _LIMITED, *words], capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 1, ended.stderr
    assert ended.stderr.count("\n") == 1, ended.stderr
    assert f"a{ending}" in ended.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["frame.npy"]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, MemoryError, OSError])
def test_a_block_that_is_left_early_leaves_the_old_file_alone(stop, tmp_path):
    (tmp_path / "a.html").write_text("old")

    def write():
        with whole_or_nothing(tmp_path / "a.html") as part:
            part.write_text("half")
            raise stop

    with pytest.raises((stop, DataFileError)):
        write()
    assert [path.name for path in tmp_path.iterdir()] == ["a.html"]
    assert (tmp_path / "a.html").read_text() == "old"


def test_text_is_written_in_utf_8_with_the_mode_of_any_new_file(tmp_path):
    write_whole(tmp_path / "a.html", "µ")
    (tmp_path / "b.html").write_bytes("µ".encode())
    assert (tmp_path / "a.html").read_bytes() == "µ".encode()
    assert (tmp_path / "a.html").stat().st_mode == (tmp_path / "b.html").stat().st_mode
