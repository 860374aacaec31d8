"""Archives of maps: the same bits however they are made, bad frames, parts, racing and killed processes."""

from __future__ import annotations

import signal
import subprocess
import sys

import numpy as np
import pytest
import zarr
from archive_support import (
    FRAMES,
    MEAN,
    STD,
    WINDOWS,
    arrays_of,
    digest,
    movie,
    status_times,
    write_movie,
)

from shiftvae_rt import LatentMapper, read_frames
from shiftvae_rt.archive import map_archive
from shiftvae_rt.archive.layout import DONE, FAILED, OPEN, open_archive
from shiftvae_rt.cli import main
from shiftvae_rt.commands import progress

read_zspy = pytest.importorskip("rsciio.zspy").file_reader


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return write_movie(tmp_path_factory.mktemp("movie") / "movie.npy", movie())


@pytest.fixture(scope="module")
def whole(tmp_path_factory, source, tiny_model):
    """The archive that one process made in one go."""
    output = tmp_path_factory.mktemp("whole") / "maps.zspy"
    map_archive(tiny_model, source, output, stride=4)
    return output


def test_every_frame_has_the_map_that_the_mapper_gives(whole, tiny_model):
    mapper, arrays = LatentMapper(tiny_model), arrays_of(whole)
    assert arrays[MEAN].shape == (FRAMES, 4, 5, 7)
    for number, frame in enumerate(movie()):
        latent_map = mapper.map(frame)
        np.testing.assert_array_equal(arrays[MEAN][number], latent_map.mean)
        np.testing.assert_array_equal(arrays[STD][number], latent_map.std)
        np.testing.assert_array_equal(arrays[WINDOWS][number, 0], latent_map.window_scores)
        assert arrays["score"][number] == np.float32(latent_map.domain.score)
    assert (arrays["status"] == DONE).all()


def test_hyperspy_s_reader_and_ours_open_it_lazily(whole):
    signals = {signal["metadata"]["General"]["title"]: signal for signal in read_zspy(str(whole), lazy=True)}
    assert set(signals) == {"latent mean", "latent std", "out of domain"}
    axes = signals["latent mean"]["axes"]
    assert [(axis["name"], bool(axis["navigate"]), axis["size"]) for axis in axes] == [
        ("frame", True, FRAMES), ("latent", True, 4), ("y", False, 5), ("x", False, 7),
    ]  # fmt: skip
    assert (axes[2]["scale"], axes[2]["offset"]) == (4, 7.5)
    np.testing.assert_array_equal(signals["latent mean"]["data"][3].compute(), arrays_of(whole)[MEAN][3])
    np.testing.assert_array_equal(read_frames(f"{whole}::latent std")[5].pixels, arrays_of(whole)[STD][1, 1])


def test_two_parts_make_the_whole(tmp_path, source, tiny_model, whole):
    output = tmp_path / "maps.zspy"
    first = map_archive(tiny_model, source, output, stride=4, part=(0, 2))
    assert 0 < first.done < FRAMES
    assert first.open == 0
    assert (arrays_of(output)["status"] == OPEN).sum() == FRAMES - first.done
    second = map_archive(tiny_model, source, output, stride=4, part=(1, 2))
    assert first.done + second.done == FRAMES
    assert digest(output) == digest(whole)


def test_two_processes_that_race_for_the_same_archive_give_the_same_bits(tmp_path, source, tiny_model, whole):
    output = tmp_path / "maps.zspy"
    words = [sys.executable, "-m", "shiftvae_rt", "map", tiny_model, source, "-o", output, "--resume"]
    racers = [subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for racer in racers:
        _, err = racer.communicate(timeout=60)
        assert racer.returncode == 0, err
    assert digest(output) == digest(whole)
    assert [path.name for path in tmp_path.iterdir()] == ["maps.zspy"]


_KILLED = """
import os, signal, sys
from shiftvae_rt.commands import progress
progress.Progress.__call__ = lambda self, done, total: done == 14 and os.kill(os.getpid(), signal.SIGKILL)
from shiftvae_rt.cli import main
main(sys.argv[1:])
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no SIGKILL")
def test_a_killed_process_is_continued_and_what_was_done_is_not_done_again(tmp_path, source, tiny_model, whole):
    output = tmp_path / "maps.zspy"
    words = ["map", str(tiny_model), str(source), "-o", str(output)]
    killed = subprocess.run([sys.executable, "-c", _KILLED, *words], timeout=60, check=False)
    assert killed.returncode == -signal.SIGKILL
    before = status_times(output)
    assert len(before) == 14 // 3
    assert main([*words, "--resume"]) == 0
    after = status_times(output)
    assert {block: after[block] for block in before} == before
    assert digest(output) == digest(whole)


@pytest.mark.parametrize(("value", "words"), [(np.nan, "NaN"), (7.0, "constant")], ids=["NaN", "blank"])
def test_a_bad_frame_is_nan_with_a_status_and_a_reason_and_no_other_is_lost(
    tmp_path, tiny_model, whole, value, words, capsys
):
    frames = movie()
    frames[[0, 17]] = value
    source, output = write_movie(tmp_path / "movie.npy", frames), tmp_path / "maps.zspy"
    command = ["map", str(tiny_model), str(source), "-o", str(output)]
    assert main(command) == 0
    said = capsys.readouterr().err
    assert f"2 of {FRAMES} frames" in " ".join(said.split())
    assert words in said
    arrays, sound = arrays_of(output), arrays_of(whole)
    bad = np.isin(np.arange(FRAMES), [0, 17])
    np.testing.assert_array_equal(arrays["status"], np.where(bad, FAILED, DONE))
    assert np.isnan(arrays[MEAN][bad]).all()
    assert np.isnan(arrays[STD][bad]).all()
    np.testing.assert_array_equal(arrays[MEAN][~bad], sound[MEAN][~bad])
    assert words in open_archive(str(output)).reason(17)
    assert open_archive(str(output)).reason(16) == ""
    assert main([*command, "--resume", "--strict"]) == 1


def test_an_archive_of_which_no_frame_has_a_map_is_an_error(tmp_path, tiny_model, capsys):
    source = write_movie(tmp_path / "movie.npy", np.zeros_like(movie()))
    assert main(["map", str(tiny_model), str(source), "-o", str(tmp_path / "maps.zspy")]) == 1
    assert "constant" in capsys.readouterr().err


def test_deviations_can_be_stored_in_half(tmp_path, source, tiny_model, whole, capsys):
    words = ["map", str(tiny_model), str(source), "-o", str(tmp_path / "half.zspy"), "--half-std"]
    assert main(words) == 0
    found = arrays_of(tmp_path / "half.zspy")
    np.testing.assert_array_equal(found[STD], arrays_of(whole)[STD].astype(np.float16))
    assert found[STD].dtype == np.float16
    np.testing.assert_array_equal(found[MEAN], arrays_of(whole)[MEAN])
    assert main([*words[:4], str(whole), "--resume", "--half-std"]) == 1
    assert "float32" in capsys.readouterr().err


def test_fields_are_stored_on_request(tmp_path, source, tiny_model, whole, capsys):
    words = ["map", str(tiny_model), str(source), "-o", str(tmp_path / "maps.zspy")]
    assert main([*words, "--fields"]) == 0
    found = zarr.open_group(str(tmp_path / "maps.zspy"), mode="r")
    latent_map = LatentMapper(tiny_model).map(movie()[7])
    np.testing.assert_array_equal(found["Experiments/fields/data"][7], latent_map.fields.mean)
    np.testing.assert_array_equal(found["Experiments/field std/data"][7], latent_map.fields.std)
    assert found["Experiments/fields/axis-1"].attrs["name"] == "field"
    np.testing.assert_array_equal(found[MEAN][:], arrays_of(whole)[MEAN])
    assert main([*words[:4], str(whole), "--resume", "--fields"]) == 1
    assert "no fields" in capsys.readouterr().err


def test_signals_have_no_axis_y(tmp_path, tiny_line_model):
    source = write_movie(tmp_path / "lines.npy", movie()[:, 0])
    map_archive(tiny_line_model, source, tmp_path / "maps.zspy", stride=4)
    assert zarr.open_group(str(tmp_path / "maps.zspy"))[MEAN].shape == (FRAMES, 3, 7)


@pytest.mark.parametrize(("chunk", "block"), [(1, 3), (2, 4), (7, 7), (100, FRAMES)])
def test_a_block_owns_whole_chunks_of_the_input(tmp_path, tiny_model, chunk, block, whole):
    source = write_movie(tmp_path / "movie.zarr", movie(), chunk)
    map_archive(tiny_model, source, tmp_path / "maps.zspy", stride=4)
    archive = open_archive(str(tmp_path / "maps.zspy"))
    assert archive.block == block
    assert archive.group[MEAN].chunks[0] == archive.group["status"].chunks[0] == block
    assert digest(tmp_path / "maps.zspy") == digest(whole)


def test_progress_gives_the_rate_and_the_time_that_is_left(tmp_path, source, tiny_model, monkeypatch, capsys):
    monkeypatch.setattr(progress, "QUIET_S", 0)
    monkeypatch.setattr(progress, "BETWEEN_S", 0)
    for name in ("maps.zspy", "maps.npz"):
        assert main(["map", str(tiny_model), str(source), "-o", str(tmp_path / name)]) == 0
        said = capsys.readouterr().err
        assert f"30 of {FRAMES} frames" in said
        assert "frames/s" in said
        assert "to go" in said


def test_the_environment_of_a_cluster_sees_paths_from_the_root(tmp_path, tiny_model, source, whole, monkeypatch):
    monkeypatch.chdir(source.parent)
    map_archive(tiny_model, source.name, tmp_path / "maps.zspy", stride=4)
    assert digest(tmp_path / "maps.zspy") == digest(whole)
    assert [path.name for path in source.parent.iterdir()] == [source.name]
