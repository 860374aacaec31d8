"""R2: the power goes while the journal writes: a file system is shut down in mid-flight, without a flush.

A power cut stops the processor too. So the writer is halted first: ext4 may otherwise answer an fsync that runs into
the shutdown with success (seen once in 20 cuts), which no process lives to see when the power goes.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shiftvae_rt.stream.journal.journal import Journal

LONG = os.environ.get("SHIFTVAE_LONG") == "1"
CUTS = 50 if LONG else 6
EXT4_IOC_SHUTDOWN, NO_LOG_FLUSH = 0x8004587D, 2

WRITE = """
import sys
from shiftvae_rt.stream.journal.journal import Journal
journal = Journal(sys.argv[1])
if sys.argv[2] == "careless":
    journal._write.execute("PRAGMA synchronous=OFF")
seq = journal.open_stream("s", "lossless").last_seq
while True:
    for _ in range(8):
        seq += 1
        journal.append("s", seq, "processed", b"header", bytes(3000))
    journal.commit()
    print(seq, flush=True)
"""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system in a file; skips, saying so, where it cannot be mounted."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or shutil.which("mkfs.ext4") is None:
        pytest.skip("a file system of our own needs root and mkfs.ext4")
    image, place = tmp_path / "disk.img", tmp_path / "disk"
    with image.open("wb") as file:
        file.truncate(256 << 20)
    place.mkdir()
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True, capture_output=True)
    if subprocess.run(["mount", "-o", "loop", str(image), str(place)], check=False, capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a file")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=False, capture_output=True)


def cut_power(disk: Path, image: Path, how: str, seconds: float) -> tuple[int, int]:
    """Write until the power goes: the last frame that was acknowledged, and the last that is there afterwards."""
    import fcntl

    path = disk / "run.journal"
    with subprocess.Popen([sys.executable, "-c", WRITE, str(path), how], stdout=subprocess.PIPE, text=True) as writer:
        acknowledged = int(writer.stdout.readline())
        time.sleep(seconds)
        writer.send_signal(signal.SIGSTOP)
        folder = os.open(disk, os.O_RDONLY)
        fcntl.ioctl(folder, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        os.close(folder)
        writer.kill()
        for line in writer.stdout:
            if line.endswith("\n"):
                acknowledged = int(line)
    subprocess.run(["umount", str(disk)], check=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(disk)], check=True)
    journal = Journal(path)
    seqs, after = [], 0
    while (record := journal.reader.read("s", after)) is not None:
        after = record.seq
        seqs.append(after)
    last = journal.open_stream("s", "lossless").last_seq
    journal.close()
    assert seqs == list(range(1, last + 1))
    return acknowledged, last


@pytest.mark.timeout(CUTS * 20 + 60)
def test_nothing_acknowledged_is_lost_when_the_power_goes(disk: Path, tmp_path: Path) -> None:
    chance, written = random.Random(1), 0
    for _ in range(CUTS):
        acknowledged, there = cut_power(disk, tmp_path / "disk.img", "careful", chance.uniform(0.05, 0.6))
        assert there >= acknowledged > written
        written = there
    print(f"{CUTS} power cuts, {written} frames, 0 acknowledged lost")


def test_a_journal_that_does_not_flush_is_caught(disk: Path, tmp_path: Path) -> None:
    try:
        acknowledged, there = cut_power(disk, tmp_path / "disk.img", "careless", 0.5)
    except Exception:  # noqa: BLE001  # whatever is wrong with what is left
        return  # not even readable
    assert there < acknowledged
