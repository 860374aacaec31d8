"""The file of a fleet: what it may say, and one clear line for what it may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from shiftvae_rt import cli
from shiftvae_rt.errors import ServiceError
from shiftvae_rt.fleet import read_fleet
from shiftvae_rt.fleet.directory import resolve

GOOD = """
[[service]]
name = "haadf"
model = "m.svae"
port = 5711
streams = ["HAADF", "HAADF *"]
cuda_visible_devices = "1"
journal = "run.journal"
record = true

[[service]]
name = "bf"
model = "m.svae"
port = 5715
streams = ["BF"]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "m.svae").touch()
    (tmp_path / "FLEET.toml").write_text(GOOD)
    return tmp_path / "FLEET.toml"


def test_a_fleet_is_read_with_the_endpoints_of_its_services(file: Path) -> None:
    fleet = read_fleet(file)
    first, second = fleet.service
    assert (first.name, second.name, fleet.http) == ("haadf", "bf", "127.0.0.1:5779")
    ends = [f"tcp://127.0.0.1:{port}" for port in (5711, 5712, 5713)]
    assert first.addresses == (*ends, "127.0.0.1:5714")
    words = first.command(file.parent)
    assert words[:2] == ["serve", str(file.parent / "m.svae")]
    assert words[words.index("--journal") + 1] == str(file.parent / "run.journal")
    assert "--record" in words
    assert "--record" not in second.command(file.parent)


@pytest.mark.parametrize(
    ("old", "new", "facts"),
    [
        ('name = "bf"', 'nme = "bf"', ["service 2: unknown key 'nme'"]),
        ('name = "bf"', "", ["service 2: missing key 'name'"]),
        ('name = "bf"', 'name = "haadf"', ["haadf", "two services"]),
        ('name = "bf"', 'name = "a b"', ["name", "service 2"]),
        ("5715", '"5715"', ["service 2, port: expected a whole number, got a text"]),
        ("5715", "5714", ["5714", "haadf", "bf"]),
        ("5715", "5776", ["5779", "status page", "bf"]),
        ("5715", "70000", ["port", "service 2"]),
        ('streams = ["BF"]', "streams = []", ["streams", "service 2"]),
        ('journal = "run.journal"', "", ["haadf", "record", "journal"]),
        ('cuda_visible_devices = "1"', "stride = 0", ["stride", "service 1"]),
        ('cuda_visible_devices = "1"', 'provider = "gpu"', ["gpu", "provider", "service 1"]),
        ("[[service]]", "[[services]]", ["unknown key 'services'"]),
        ("[[service]]", "[[service", ["not TOML", "line 2"]),
        ('model = "m.svae"', 'model = "x.svae"', ["x.svae", "does not exist"]),
    ],
)
def test_what_is_wrong_is_said_on_one_line(
    file: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, facts: list[str]
) -> None:
    head, _, tail = GOOD.rpartition(old)
    assert tail
    file.write_text(GOOD.replace(old, new) if old in ("[[service]]", 'model = "m.svae"') else head + new + tail)
    assert cli.main(["fleet", str(file)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"shiftvae: error: {file}")
    assert len(said.err.splitlines()) == 1
    assert all(fact in said.err for fact in facts), said.err


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="cannot read.*nowhere.toml"):
        read_fleet(tmp_path / "nowhere.toml")


def test_a_file_is_checked_without_starting_anything(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["fleet", str(file), "--check"]) == 0
    assert "2 services, haadf, bf" in " ".join(capsys.readouterr().out.split())


def test_endpoints_of_services_are_not_changed() -> None:
    assert resolve("tcp://127.0.0.1:5701", "ingest", "a") == "tcp://127.0.0.1:5701"


def test_a_reader_names_its_stream() -> None:
    with pytest.raises(ServiceError, match="names no stream.*fleet://127.0.0.1:1/STREAM"):
        resolve("fleet://127.0.0.1:1", "results")


def test_a_fleet_that_does_not_run_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["status", "--control", "fleet://127.0.0.1:1"]) == 1
    assert "no fleet answers at fleet://127.0.0.1:1" in capsys.readouterr().err
