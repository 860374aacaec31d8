"""What `shiftvae watch` says of one result: in 80 columns, with the verdict."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from terminal import COLUMNS

from shiftvae_rt.commands.watch import _doubt, _line
from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_rt.stream import Result
from shiftvae_rt.stream.protocol.counters import Counters
from shiftvae_rt.verdict import DomainVerdict

REASON = "the period is 31.4 px rather than 24.0 px, and half of the windows are unlike the training data of the model"


@pytest.fixture
def result(mapper: LatentMapper) -> Result:
    counters = Counters(offered=10**7, processed=10**7 - 12, dropped_producer=10, rejected=2)
    found: dict[str, Any] = {
        "latent_map": mapper.map(np.random.default_rng(0).poisson(50, (40, 48)).astype(np.uint16)),
        "complete": True, "stream": "a stream with a name of many words that is cut", "frame": 9_999_999, "series": 1,
        "name": "", "frame_seq": 1, "seq": 1, "epoch": "e", "valid_rows": 40, "age_s": 999.0, "utc_ns": 0,
        "counters": counters,
    }  # fmt: skip
    return Result(**found)


def lines(result: Result, verdict: DomainVerdict | None, seen: int = 1) -> list[str]:
    told = replace(result, latent_map=replace(result.latent_map, domain=verdict))
    reader: Any = SimpleNamespace(behind_s=0.0, gaps=123456, skipped=1234567)
    found = _line(told, reader, seen).splitlines()
    assert max(map(len, found)) <= COLUMNS
    return found


@pytest.mark.parametrize(
    ("score", "out", "words"), [(0.018, False, "in 0.02"), (1.3, True, "out 1.30"), (1e9, True, "out 9999.00")]
)
def test_a_frame_has_a_verdict_with_its_score(result: Result, score: float, out: bool, words: str) -> None:
    verdict = DomainVerdict(score=score, windows_out=0.0, reason=REASON if out else "")
    found = lines(result, verdict)
    assert found[0].endswith(f" {words}")
    assert (f"out of domain: {REASON}" in " ".join(" ".join(found).split())) == out


def test_a_model_without_a_domain_gives_no_verdict(result: Result) -> None:
    assert lines(result, None)[0].endswith(" -")


def test_titles_come_every_twenty_frames(result: Result) -> None:
    assert [lines(result, None, seen)[0].startswith("stream") for seen in (0, 1, 19, 20)] == [True, False, False, True]


def test_refused_frames_stand_in_their_column(result: Result) -> None:
    titles, values = (line[16:].split() for line in lines(result, None, 0)[:2])
    assert dict(zip([title for title in titles if title != "(ms)"], values, strict=True))["refused"] == "2"


def test_a_frame_that_turns_out_of_domain_is_told_while_it_is_scanned(result: Result) -> None:
    def told(score: float) -> list[str]:
        verdict = DomainVerdict(score=score, windows_out=0.0, reason=REASON if score > 1 else "")
        band = replace(result.latent_map, domain=verdict)
        return _doubt(replace(result, latent_map=band, complete=False, valid_rows=16)).splitlines()

    assert told(0.9) == []
    assert "16 of 40 lines" in told(1.1)[0]
    assert REASON in " ".join(" ".join(told(1.1)).split())
    assert max(map(len, told(1.1))) <= COLUMNS
