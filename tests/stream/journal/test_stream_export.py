"""Export of a stream whose maps changed: a file for each kind, and an error that names its cause."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lossless_support import numbered
from stream_support import frame_message
from terminal import unwrapped

from shiftvae_rt import cli
from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_rt.errors import DataFileError
from shiftvae_rt.fields import MeanLattice
from shiftvae_rt.output_file import whole_or_nothing
from shiftvae_rt.stream.journal.journal import Journal
from shiftvae_rt.stream.protocol.counters import Counters
from shiftvae_rt.stream.protocol.results import result_message
from shiftvae_rt.stream.protocol.wire import decode_frame_header
from shiftvae_rt.verdict import DomainVerdict

h5py = pytest.importorskip("h5py")
Make = Callable[..., Any]
SMALL, WIDE = (40, 40), (40, 56)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    journal = Journal(tmp_path / "j")
    journal.open_stream("run 7", "lossless")
    return journal


def record(journal: Journal, mapper: LatentMapper, seq: int, shape: tuple[int, int], **changes: Any) -> np.ndarray:
    """Append the map of a frame; its means."""
    latent_map = dataclasses.replace(mapper.map(numbered(seq, shape)), **changes)
    header = decode_frame_header(json.dumps(frame_message(numbered(seq, shape), frame=seq)[0]).encode())
    parts = result_message(latent_map, header, seq=seq, epoch="journal", age_s=0.0, counters=Counters())
    journal.append("run 7", seq, "processed", *parts)
    return latent_map.mean


def export(journal: Journal, capsys: pytest.CaptureFixture[str], output: Path) -> tuple[int, str, str]:
    journal.commit()
    code = cli.main(["export", str(journal.path), "run 7", "-o", str(output)])
    journal.close()
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def contents(path: Path) -> tuple[list[int], np.ndarray, str]:
    with h5py.File(path) as file:
        group = file["Experiments/latent mean"]
        about = group["metadata/shiftvae"]
        return about["seq"][:].tolist(), group["data"][:], about.attrs["model_sha256"]


def test_a_stream_whose_frames_changed_their_size_is_a_file_for_each_size(
    journal: Journal, mapper: LatentMapper, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    means = [record(journal, mapper, seq, WIDE if seq in (3, 5) else SMALL) for seq in range(1, 6)]
    code, out, err = export(journal, capsys, tmp_path / "out.hspy")
    assert (code, "2 files" in err) == (0, True)
    assert unwrapped(out)[1].startswith(f"{tmp_path / 'out-1.hspy'}: 3 maps of 4 x 7 x 7")
    for name, seqs in (("out-1.hspy", [1, 2, 4]), ("out-2.hspy", [3, 5])):
        found, data, _ = contents(tmp_path / name)
        assert found == seqs
        assert np.array_equal(data, np.stack([means[seq - 1] for seq in seqs]))
    assert not (tmp_path / "out.hspy").exists()


@pytest.mark.parametrize(
    "changes", [{"model_sha256": "f" * 64}, {"pixel_size_nm": (0.02, 0.02)}, {"names": ("dy", "dx", "a", "b")}], ids=str
)
def test_maps_of_two_models_or_scales_are_never_in_one_file(
    journal: Journal,
    mapper: LatentMapper,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    changes: dict[str, Any],
) -> None:
    record(journal, mapper, 1, SMALL)
    record(journal, mapper, 2, SMALL, **changes)
    assert export(journal, capsys, tmp_path / "out.hspy")[0] == 0
    assert [contents(tmp_path / f"out-{number}.hspy")[0] for number in (1, 2)] == [[1], [2]]
    models = [contents(tmp_path / f"out-{number}.hspy")[2] for number in (1, 2)]
    assert models == [mapper.model.sha256, changes.get("model_sha256", mapper.model.sha256)]


def test_one_record_that_cannot_be_read_costs_itself_alone_and_is_named(
    journal: Journal, mapper: LatentMapper, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    record(journal, mapper, 1, SMALL)
    journal.append("run 7", 2, "processed", b"{}", b"")
    record(journal, mapper, 3, SMALL)
    assert export(journal, capsys, tmp_path / "out.hspy")[0] == 0
    assert contents(tmp_path / "out.hspy")[0] == [1, 3]
    with h5py.File(tmp_path / "out.hspy") as file:
        about = file["Experiments/latent std/metadata/shiftvae"].attrs["frames_without_a_map"]
    assert about.startswith("2 unreadable: ")


def test_a_stream_without_a_map_says_why(journal: Journal, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    journal.append("run 7", 1, "rejected", b"bad_frame: 288 of 288 pixels are NaN")
    code, _, err = export(journal, capsys, tmp_path / "out.hspy")
    assert code == 1
    assert "no frame of stream 'run 7' has a map; the first: 1 rejected: bad_frame: 288 of 288" in err
    assert "disk" not in err
    assert not (tmp_path / "out.hspy").exists()


def test_fields_are_exported_with_their_deviations_and_names(
    journal: Journal, mapper: LatentMapper, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    lattice = MeanLattice(((8.0, 0.0), (0.0, 8.0)))
    for seq in (1, 2):
        record(journal, mapper, seq, SMALL, lattice=lattice)
    expected = dataclasses.replace(mapper.map(numbered(2, SMALL)), lattice=lattice).fields
    assert expected is not None
    assert export(journal, capsys, tmp_path / "out.hspy")[0] == 0
    with h5py.File(tmp_path / "out.hspy") as file:
        signals = file["Experiments"]
        assert sorted(signals) == ["field std", "fields", "latent mean", "latent std"]
        np.testing.assert_array_equal(signals["fields/data"][1], expected.mean)
        np.testing.assert_array_equal(signals["field std/data"][1], expected.std)
        assert [signals[f"fields/axis-{n}"].attrs["name"] for n in range(4)] == ["time", "field", "y", "x"]
        assert signals["fields/metadata/shiftvae"].attrs["field_names"] == ", ".join(expected.names)


def test_a_folder_gets_a_file_named_for_the_stream(
    journal: Journal, mapper: LatentMapper, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    record(journal, mapper, 1, SMALL)
    assert export(journal, capsys, tmp_path)[0] == 0
    assert (tmp_path / "run%207.hspy").is_file()


def test_an_error_that_says_its_cause_is_not_taken_for_one_of_the_disk(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match=r"^the true cause$"), whole_or_nothing(tmp_path / "x.npz"):
        raise DataFileError("the true cause")
    with (
        pytest.raises(DataFileError, match="No space left on device"),
        whole_or_nothing(tmp_path / "x"),
    ):
        raise OSError(28, "No space left on device")


def test_a_numbered_file_that_is_there_is_not_replaced_and_nothing_is_written(
    journal: Journal, mapper: LatentMapper, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    record(journal, mapper, 1, SMALL)
    record(journal, mapper, 2, WIDE)
    (tmp_path / "out-2.hspy").write_text("mine")
    code, _, err = export(journal, capsys, tmp_path / "out.hspy")
    assert (code, "out-2.hspy exists" in err) == (1, True)
    assert (tmp_path / "out-2.hspy").read_text() == "mine"
    assert not (tmp_path / "out-1.hspy").exists()


def test_an_exported_stream_says_which_frames_are_out_of_domain_and_why(
    journal: Journal, mapper: LatentMapper, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for seq, score in ((1, 0.5), (2, 2.5), (3, None)):
        reason = "the period is longer" if score == 2.5 else ""
        verdict = None if score is None else DomainVerdict(score=score, windows_out=0.0, reason=reason)
        record(journal, mapper, seq, SMALL, domain=verdict)
    assert export(journal, capsys, tmp_path / "out.hspy")[0] == 0
    with h5py.File(tmp_path / "out.hspy") as file:
        for title in ("latent mean", "latent std"):
            about = file[f"Experiments/{title}/metadata/shiftvae"]
            assert about["out_of_domain"][:].tolist() == [False, True, False]
            np.testing.assert_array_equal(about["domain_score"][:], [0.5, 2.5, np.nan])
            assert about.attrs["domain_reason"] == "2 out of domain (score 2.5): the period is longer"
            notes = file[f"Experiments/{title}/metadata/General"].attrs["notes"]
            assert notes == "1 of 3 frames are out of domain"
