"""The journal: what was committed is there after anything, and nothing else is."""

from __future__ import annotations

import os
import signal
import sqlite3
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from shiftvae_rt.errors import JournalError
from shiftvae_rt.stream.journal.journal import Journal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.journal"


def filled(path: Path, count: int = 3, *, stream: str = "s") -> Journal:
    journal = Journal(path)
    journal.open_stream(stream, "lossless")
    for seq in range(1, count + 1):
        journal.append(stream, seq, "processed", b"header", b"%d" % seq)
    journal.commit()
    return journal


def test_what_was_committed_is_read_back_in_order(path: Path) -> None:
    filled(path).close()
    journal = Journal(path)
    state = journal.open_stream("s", "lossless")
    assert (state.last_seq, state.counters.processed, state.ended) == (3, 3, False)
    records = [journal.reader.read("s", after) for after in range(4)]
    assert [record and record.seq for record in records] == [1, 2, 3, None]
    assert records[1] is not None
    assert (records[1].header, records[1].buffer) == (b"header", b"2")
    journal.close()


def test_readers_do_not_see_what_is_not_committed(path: Path) -> None:
    journal = filled(path)
    journal.append("s", 4, "processed", b"h", b"b")
    assert journal.reader.read("s", 3) is None
    assert next(journal.reader.streams("s")).last_seq == 3
    journal.commit()
    assert journal.reader.read("s", 3) is not None
    journal.close()


def test_a_record_is_never_written_twice(path: Path) -> None:
    journal = filled(path)
    with pytest.raises(JournalError, match="record 3 of stream 's'"):
        journal.append("s", 3, "processed", b"", b"")
    assert journal.broken, "the next commit says so: the frame is not taken for written"
    with pytest.raises(JournalError, match="record 3"):
        journal.commit()
    journal.close()


def test_a_stream_without_a_frame_leaves_nothing_in_the_journal(path: Path) -> None:
    journal = filled(path, 0)
    journal.end("s")
    assert list(journal.reader.streams()) == []
    journal.close()


def test_a_new_stream_whose_first_record_was_lost_can_be_written_again(path: Path) -> None:
    journal = filled(path)
    journal.open_stream("new", "lossless")
    (pages,) = journal._write.execute("PRAGMA page_count").fetchone()
    journal._write.execute(f"PRAGMA max_page_count={pages + 2}")
    with pytest.raises(JournalError, match="full"):
        journal.append("new", 1, "processed", b"h", bytes(400_000))
    with pytest.raises(JournalError, match="full"):
        journal.commit()
    journal._write.execute("PRAGMA max_page_count=1000000")
    assert journal.next_seq("new") == 1
    journal.append("new", 1, "processed", b"h", b"b")
    journal.commit()
    assert [state.name for state in journal.reader.streams()] == ["s", "new"]
    journal.close()


def test_live_records_that_a_failing_disk_costs_are_counted_and_break_no_lossless_stream(path: Path) -> None:
    journal = filled(path)
    journal.open_stream("live@1", "live")
    journal.append("live@1", 1, "processed", b"h", b"b")
    (pages,) = journal._write.execute("PRAGMA page_count").fetchone()
    journal._write.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(JournalError, match="full"):
        journal.append("live@1", 2, "processed", b"h", bytes(400_000))
    assert (journal.lost_live, journal.broken) == (1, False)
    journal._write.execute("PRAGMA max_page_count=1000000")
    journal.append("s", 4, "processed", b"h", b"b")
    journal.commit()
    journal.close()


def test_live_records_do_not_commit_lossless_ones_before_their_answer(path: Path) -> None:
    journal = filled(path)
    journal.open_stream("live@1", "live")
    journal.append("s", 4, "processed", b"h", b"b")
    journal.append("live@1", 1, "processed", b"h", b"b")
    journal.commit_live()
    journal.end("live@1")
    assert next(journal.reader.streams("s")).last_seq == 3
    journal.commit()
    assert [(state.last_seq, state.ended) for state in journal.reader.streams()] == [(4, False), (1, True)]
    journal.close()


def test_a_stream_of_the_other_mode_is_not_written_to(path: Path) -> None:
    journal = filled(path)
    with pytest.raises(JournalError, match="lossless stream 's'"):
        journal.open_stream("s", "live")
    journal.close()


@pytest.mark.parametrize(
    "name", ["a ", " a", "a\u00a0", "\U0001f52c" * 64], ids=["blank after", "before", "nbsp", "long"]
)
def test_a_name_comes_back_byte_for_byte_from_a_crash(path: Path, name: str) -> None:
    journal = Journal(path)
    journal.open_stream(name, "lossless")
    journal.take_in_hand(name, 2**53)
    journal._write.close()
    journal.reader.close()
    journal._hand.close()  # as if it had died here
    journal = Journal(path)
    assert journal.take_in_hand(name.strip() + "!", 2**53) == 0
    assert journal.take_in_hand(name, 2**53) == 1
    journal.close()


posix = pytest.mark.skipif(os.name != "posix", reason="links and modes of POSIX")


@posix
def test_only_the_owner_may_read_and_write_the_files_also_those_of_earlier_versions(path: Path) -> None:
    old = os.umask(0o022)
    try:
        journal = filled(path)
        path.chmod(0o644)
        path.with_name("run.journal-wal").chmod(0o644)
        journal._hand.close()
        journal = Journal(path)
        modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
        journal.close()
    finally:
        os.umask(old)
    assert modes == dict.fromkeys(["run.journal", "run.journal-wal", "run.journal-shm", "run.journal.hand"], 0o600)


@posix
@pytest.mark.parametrize("link", ["symlink_to", "hardlink_to"])
def test_a_note_that_is_a_link_to_a_file_of_somebody_is_refused_and_the_file_stays(path: Path, link: str) -> None:
    victim = path.with_name("thesis.tex")
    victim.write_text("chapter 1")
    getattr(path.with_name("run.journal.hand"), link)(victim)
    with pytest.raises(JournalError, match=r"run\.journal\.hand .*remove it"):
        Journal(path)
    assert victim.read_text() == "chapter 1"


@posix
def test_a_note_that_is_a_pipe_is_refused(path: Path) -> None:
    os.mkfifo(path.with_name("run.journal.hand"))
    with pytest.raises(JournalError, match="plain file"):
        Journal(path)


DIE = """
import os, signal, sys
from pathlib import Path
from shiftvae_rt.stream.journal.journal import Journal
journal = Journal(Path(sys.argv[1]))
state = journal.open_stream("s", "lossless")
journal.append("s", state.last_seq + 1, "processed", b"h", b"b")
journal.commit()
journal.append("s", state.last_seq + 2, "processed", b"h", b"b")
journal.take_in_hand("s", state.last_seq + 2)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_writer_leaves_exactly_what_it_committed_and_what_it_had_in_hand(path: Path) -> None:
    for death in range(1, 4):
        done = subprocess.run([sys.executable, "-c", DIE, str(path)], timeout=30, check=False)
        assert done.returncode == -signal.SIGKILL
        journal = Journal(path)
        assert journal.open_stream("s", "lossless").last_seq == death
        assert journal.take_in_hand("s", death + 1) == 1
        journal.put_down()
        journal.close()


def test_crashes_over_the_same_frame_are_counted(path: Path) -> None:
    for deaths in range(4):
        journal = Journal(path)
        journal.open_stream("s", "lossless")
        assert journal.take_in_hand("s", 1) == deaths
        journal._write.close()
        journal.reader.close()
        journal._hand.close()  # as if it had died here


def test_a_frame_that_was_put_down_is_no_crash(path: Path) -> None:
    for _ in range(3):
        journal = filled(path, 0)
        assert journal.take_in_hand("s", 1) == 0
        journal.put_down()
        journal.close()


def test_a_second_service_is_refused(path: Path) -> None:
    journal = filled(path)
    with pytest.raises(JournalError, match="another service writes to the journal"):
        Journal(path)
    journal.close()
    Journal(path).close()


def test_a_damaged_journal_is_one_clear_error(path: Path) -> None:
    path.write_bytes(b"this is no database, and it is long enough to be looked at" * 100)
    with pytest.raises(JournalError, match=r"cannot open the journal .*not a database: restore it from a copy, or"):
        Journal(path)


@pytest.mark.parametrize("page", range(2, 12))
def test_a_journal_with_a_page_of_zeros_is_told_or_whole(path: Path, page: int) -> None:
    filled(path, 400).close()
    data = bytearray(path.read_bytes())
    (size,) = struct.unpack(">H", data[16:18])
    data[page * size : (page + 1) * size] = bytes(size)
    path.write_bytes(data)
    seqs, after = [], 0
    try:
        journal = Journal(path)
        try:
            while (record := journal.reader.read("s", after)) is not None:
                assert record.buffer == b"%d" % record.seq
                after = record.seq
                seqs.append(after)
        finally:
            journal.close()
    except JournalError as error:
        assert "malformed: restore it" in str(error)  # noqa: PT017  # it may as well be whole
        return
    assert seqs == list(range(1, 401))


def test_a_journal_of_another_version_is_refused(path: Path) -> None:
    filled(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version=7")
    connection.close()
    with pytest.raises(JournalError, match="of version 7, .* version 2"):
        Journal(path)


def test_a_folder_that_is_missing_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="the journal needs a folder"):
        Journal(tmp_path / "nowhere" / "run.journal")


def test_every_commit_is_flushed_to_the_disk(path: Path) -> None:
    journal = filled(path)
    assert journal._write.execute("PRAGMA synchronous").fetchone() == (2,), "FULL: NORMAL lost a tail in a power cut"
    assert journal._write.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    journal.close()


def test_a_full_disk_loses_nothing_that_was_committed_and_the_next_commit_says_so(path: Path) -> None:
    journal = filled(path)
    (pages,) = journal._write.execute("PRAGMA page_count").fetchone()
    journal._write.execute(f"PRAGMA max_page_count={pages + 2}")
    with pytest.raises(JournalError, match="database or disk is full"):
        journal.append("s", 4, "processed", b"h", bytes(400_000))
    assert journal.broken
    assert journal.next_seq("s") == 4
    with pytest.raises(JournalError, match="database or disk is full"):
        journal.commit()
    assert not journal.broken
    journal._write.execute("PRAGMA max_page_count=1000000")
    journal.append("s", 4, "processed", b"h", bytes(4000))
    journal.commit()
    assert next(journal.reader.streams("s")).last_seq == 4
    journal.close()


def test_streams_say_how_they_are(path: Path) -> None:
    journal = filled(path)
    journal.open_stream("live@1", "live")
    journal.append("live@1", 5, "processed", b"h", b"b")
    journal.append("live@1", 9, "rejected", b"bad_frame: NaN")
    journal.end("live@1")
    first, second = journal.reader.streams()
    assert (first.name, first.mode, first.ended, first.last_seq) == ("s", "lossless", False, 3)
    assert (second.name, second.mode, second.ended, second.last_seq) == ("live@1", "live", True, 9)
    assert (second.counters.offered, second.counters.processed, second.counters.rejected) == (2, 1, 1)
    journal.close()


@pytest.mark.skipif(os.geteuid() == 0 if hasattr(os, "geteuid") else True, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_to_is_one_clear_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(JournalError, match="the journal needs a folder"):
        Journal(tmp_path / "run.journal")
    tmp_path.chmod(0o700)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="a folder in which not even root may make a file")
def test_a_folder_in_which_nobody_may_write_is_one_clear_error() -> None:
    with pytest.raises(JournalError, match="the journal needs a folder"):
        Journal("/proc/run.journal")


def test_a_disk_that_is_gone_is_an_error_at_every_append_until_the_stream_is_opened_anew(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    journal = filled(path)
    (pages,) = journal._write.execute("PRAGMA page_count").fetchone()
    journal._write.execute(f"PRAGMA max_page_count={pages}")
    with monkeypatch.context() as patch:
        patch.setattr("shiftvae_rt.stream.journal.journal.read_states", gone)
        with pytest.raises(JournalError, match="full"):
            journal.append("s", 4, "processed", b"h", bytes(400_000))
    journal._write.execute("PRAGMA max_page_count=1000000")
    with pytest.raises(JournalError, match="'s' .* not open"):
        journal.append("s", 4, "processed", b"h", b"b")
    with pytest.raises(JournalError):
        journal.commit()
    assert journal.open_stream("s", "lossless").last_seq == 3
    journal.append("s", 4, "processed", b"h", b"b")
    journal.commit()
    journal.close()
