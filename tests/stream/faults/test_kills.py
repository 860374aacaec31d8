"""R1 and T: nothing acknowledged is lost, doubled or reordered by kills; and a service that cheats is caught."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
LONG = os.environ.get("SHIFTVAE_LONG") == "1"
FRAMES, KILLS = (250_000, 125) if LONG else (1500, 15)


def play(model: Path, folder: Path, *options: object, limit_s: float) -> tuple[int, dict]:
    done = subprocess.run(
        [
            sys.executable,
            str(HERE / "kill_run.py"),
            str(model),
            str(folder),
            *map(str, options),
            "--limit",
            str(limit_s),
        ],
        capture_output=True,
        text=True,
        timeout=limit_s + 30,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="the roles are forked; Windows has no fork"),
    pytest.mark.timeout(FRAMES // 50 + 120),
]


@pytest.mark.parametrize("role", ["producer", "service", "reader", "mixed"])
def test_every_frame_is_read_exactly_once_whoever_is_killed(tiny_model: Path, tmp_path: Path, role: str) -> None:
    options = ["--frames", FRAMES, "--kills", KILLS, "--role", role, "--rate", 0 if LONG else 250]
    code, report = play(tiny_model, tmp_path, *options, limit_s=FRAMES // 50 + 60)
    print(json.dumps(report))
    assert code == 0, report
    assert sum(report["kills"].values()) >= KILLS * 0.6, "kills that came too late prove nothing"
    assert (report["read"], report["lost"], report["duplicated"]) == (FRAMES, 0, 0)
    assert report["slowest_resume_s"] < 10


def test_every_frame_is_read_exactly_once_through_curve(tiny_model: Path, tmp_path: Path) -> None:
    code, report = play(tiny_model, tmp_path, "--frames", 500, "--kills", 6, "--curve", limit_s=60)
    assert code == 0, report


@pytest.mark.parametrize(
    ("mutant", "role"),
    [
        ("ack_before_commit", "service"),
        ("no_dedupe", "service"),
        ("liveness_only", "service"),
        ("gaps_accepted", "service"),
        ("cursor_first", "reader"),
    ],
)
def test_a_mutant_is_caught(tiny_model: Path, tmp_path: Path, mutant: str, role: str) -> None:
    options = ["--frames", 5000, "--kills", 25, "--role", role, "--mutant", mutant, "--stall", 6]
    for seed in range(3):  # a kill has to hit the moment that the mutant gets wrong: 25 do, 6 on a fast machine did not
        folder = tmp_path / str(seed)
        folder.mkdir()
        code, _ = play(tiny_model, folder, *options, "--seed", seed, limit_s=25)
        if code:
            return
    pytest.fail(f"{mutant} was not caught")
