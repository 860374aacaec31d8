"""What a stack gives for training: its usable frames, and a warning that names the others."""

from __future__ import annotations

import re
import tracemalloc

import numpy as np
import pytest
import zarr

from shiftvae_rt import LatentMapper, ModelFile
from shiftvae_rt.cli import main
from shiftvae_rt.errors import FrameError, TrainingError
from shiftvae_training.commands.family_arguments import classes_of_frames
from shiftvae_training.export import export_model
from shiftvae_training.fitting.settings import Settings
from shiftvae_training.golden import golden_frames
from shiftvae_training.scans import FrameWarning, read_scans
from shiftvae_training.train import train


@pytest.fixture
def movie(scan):
    """Four float32 frames ``(4, height, width)``: the first is blank, the third has a NaN."""
    frames = np.stack([scan.microscope.frame(i).pixels for i in range(4)]).astype(np.float32)
    frames[0] = 7
    frames[2, 5, 5] = np.nan
    return frames


def test_blank_and_nan_frames_are_left_out_by_name(movie, tmp_path):
    np.save(tmp_path / "movie.npy", movie)
    with pytest.warns(FrameWarning) as caught:
        scans = read_scans([str(tmp_path / "movie.npy")])
    said = str(caught[0].message)
    assert "2 of 4 frames" in said
    assert "movie.npy[0]" in said
    assert "every pixel is 7" in said
    assert "movie.npy[2]" in said
    assert "NaN" in said
    np.testing.assert_array_equal(np.concatenate(scans.frames), movie[[1, 3]])
    assert scans.sources[0].frames == 2
    assert classes_of_frames(("domain",), scans) == ("domain",) * 2


def test_a_chosen_frame_keeps_the_number_that_it_has_in_the_file(movie, tmp_path):
    np.save(tmp_path / "movie.npy", movie)
    with pytest.raises(FrameError, match=r"movie\.npy\[2\].*NaN"):
        read_scans([str(tmp_path / "movie.npy")], which=slice(2, 3))


def test_a_folder_counts_as_one_file_and_its_hash_is_of_all_in_it(movie, tmp_path):
    hashes = []
    for number, value in enumerate((0, 0, 1)):
        path = tmp_path / str(number) / "movie.zarr"
        zarr.save_array(str(path), movie[[1, 3]] + value)
        scans = read_scans([str(path)])
        assert scans.sources[0].name == "movie.zarr"
        hashes.append(scans.sources[0].sha256)
    assert hashes[0] == hashes[1] != hashes[2]


def test_a_stack_of_blank_frames_is_refused(tmp_path):
    np.save(tmp_path / "blank.npy", np.zeros((3, 8, 8)))
    with pytest.raises(FrameError, match=r"3 frames.*blank\.npy\[0\].*constant"):
        read_scans([str(tmp_path / "blank.npy")])


@pytest.mark.filterwarnings("default::shiftvae_training.scans.FrameWarning")
def test_a_movie_whose_first_frame_is_blank_trains_and_exports(movie, tmp_path, capsys):
    np.save(tmp_path / "movie.npy", movie)
    output = tmp_path / "m.svae"
    assert main(["train", str(tmp_path / "movie.npy"), "-o", str(output), "--encoder", "mlp", "--steps", "10"]) == 0
    assert "movie.npy[0]" in capsys.readouterr().err
    golden = ModelFile.read(output).golden.frame
    assert golden.std() > 0
    assert LatentMapper(output).map(movie[1]).mean.shape[0] >= 3


def test_frames_from_memory_may_begin_with_a_blank_one(movie, tmp_path):
    frames = [frame[None] for frame in movie[[0, 1]]]
    settings = Settings(window=16, content=1, encoder="mlp", steps=10, constraints={"displacement": 100.0})
    export_model(tmp_path / "m.svae", train(frames, settings), frames, sources=(), pixel_size_nm=None)
    np.testing.assert_array_equal(
        ModelFile.read(tmp_path / "m.svae").golden.frame, golden_frames(frames[1:], (16, 16))[0]
    )


@pytest.mark.parametrize("scale", [1e-10, 1e-20, 1e15], ids=["metres", "tiny", "huge"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_unit_of_the_pixels_changes_no_choice_and_no_map(scan, scale, dtype):
    """An STM's heights are about 1e-10 m and its currents 1e-12 A: the same model must come out as from counts."""
    counts = scan.frames[0].astype(np.float64)

    def trained(frame):
        return train([frame.astype(dtype)], Settings(encoder="mlp", steps=3))

    plain, scaled = trained(counts), trained(counts * scale)
    assert scaled.choices == plain.choices
    assert scaled.settings == plain.settings
    np.testing.assert_allclose(scaled.lattice.vectors, plain.lattice.vectors, rtol=1e-4)
    np.testing.assert_allclose(scaled.history[-1].loss, plain.history[-1].loss, rtol=1e-3)


@pytest.mark.parametrize("scale", [1e-36, 1e-40, 1e-300, 1e35, 1e300])
def test_what_float32_cannot_hold_is_refused_with_the_number(scan, scale):
    frame = scan.frames[0].astype(np.float64)
    with pytest.raises(TrainingError, match=re.escape(f"{frame.max() * scale:.3g}")):
        train([frame * scale], Settings(encoder="mlp", steps=3))


def test_a_frame_with_a_hole_in_the_middle_gives_a_test_frame_from_beside_it():
    frame = np.zeros((1, 600, 600))
    frame[:, :100, :100] = np.random.default_rng(0).normal(size=(100, 100))
    assert golden_frames([frame], (16, 16))[0].std() > 0


def test_the_warning_of_many_blank_frames_stays_one_short_line(movie, tmp_path):
    np.save(tmp_path / "movie.npy", np.concatenate([movie[1:2], np.zeros((300, *movie.shape[1:]), np.float32)]))
    with pytest.warns(FrameWarning, match=r"300 of 301 frames.*movie\.npy\[5\].*and 295 more") as caught:
        read_scans([str(tmp_path / "movie.npy")])
    assert len(str(caught[0].message)) < 1000


def test_the_frames_of_a_file_are_not_kept(tmp_path):
    movie = zarr.create_array(str(tmp_path / "movie.zarr"), shape=(41, 256, 256), dtype="f8", chunks=(2, 256, 256))
    for number in range(41):
        movie[number] = np.random.default_rng(number).normal(size=(256, 256))
    tracemalloc.start()
    scans = read_scans([str(tmp_path / "movie.zarr")])
    peak_mb = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    assert len(scans.frames) == 41
    assert peak_mb < 8, "two chunks, of 21 MB in all"
    np.testing.assert_array_equal(scans.frames[17][0], movie[17])


def test_frames_of_one_chunk_form_a_group_also_beside_other_files(movie, tmp_path):
    for name, chunk in (("a", 2), ("b", 3)):
        zarr.create_array(str(tmp_path / f"{name}.zarr"), data=movie[[1, 3, 1, 3]], chunks=(chunk, 1, 192))
    np.save(tmp_path / "c.npy", movie[[1, 3]])
    scans = read_scans([str(tmp_path / name) for name in ("a.zarr", "b.zarr", "c.npy")])
    assert scans.frames.groups.tolist() == [0, 0, 1, 1, 2, 2, 2, 3, 4, 5]
    np.testing.assert_array_equal(scans.frames[9][0], movie[3])
    assert [source.frames for source in scans.sources] == [4, 4, 2]
