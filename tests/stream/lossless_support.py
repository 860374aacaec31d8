"""What the tests of the lossless mode share: frames that carry their number, and a check that nothing is lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from shiftvae_rt.stream import JournalReader
from shiftvae_rt.stream.protocol.results import read_result


def numbered(seq: int, shape: tuple[int, int] = (18, 16)) -> np.ndarray:
    """A frame that no other `seq` has, and that always is the same."""
    return np.random.default_rng(seq).poisson(40, shape).astype(np.uint16)


def committed(path: Path, stream: str) -> list[tuple[int, int]]:
    """(seq, the acquisition's number) of every record of the stream, as a reader of the closed journal sees them."""
    journal = JournalReader(path)
    records, after = [], 0
    while (record := journal.read(stream, after)) is not None:
        number = read_result((record.header, record.buffer)).frame if record.outcome == "processed" else -1
        records.append((record.seq, number))
        after = record.seq
    journal.close()
    return records


def assert_exactly_once(records: list[tuple[int, int]], count: int) -> None:
    """Every frame 1 to `count`, once, in order, with its own content."""
    assert [seq for seq, _ in records] == list(range(1, count + 1))
    assert [number for _, number in records] == list(range(1, count + 1))
