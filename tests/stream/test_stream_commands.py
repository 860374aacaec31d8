"""shiftvae send and simulate, as a user types them, and what cannot work."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stream_support import LIMIT_S, UnknownPixelSize, noisy, run
from terminal import unwrapped

from shiftvae_rt import cli
from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_rt.stream import Service, Subscriber

Make = Callable[..., Any]
NOBODY = "tcp://127.0.0.1:9"
NORMAL = ("--priority", "normal")


@pytest.mark.parametrize("pace", [["--fps", 0], ["--fps", 0, "--rows", 10], ["--fps", 200, "--wait", "--rows", 48]])
def test_every_frame_of_a_file_that_waits_is_processed(
    service: Service, capsys: pytest.CaptureFixture[str], stack: Path, pace: list[object]
) -> None:
    code, out, err = run(capsys, "send", stack, "--to", service.ingest, *pace, "--json")
    report = json.loads(out)
    assert (code, err) == (0, "")
    assert (report["stream"], report["offered"], report["processed"]) == ("movie", 7, 7)


@pytest.mark.clock
def test_a_paced_file_keeps_its_pace_and_accounts_for_every_frame(
    service: Service, capsys: pytest.CaptureFixture[str], stack: Path
) -> None:
    code, out, _ = run(capsys, "send", stack, "--to", service.ingest, "--fps", 20, "--json")
    report = json.loads(out)
    assert code == 0
    assert report["seconds"] >= 7 / 20
    names = ("processed", "dropped_producer", "dropped_stale", "rejected", "quarantined")
    assert report["offered"] == sum(report[name] for name in names) == 7


def test_the_report_of_a_file_is_the_identity_in_words(
    service: Service, capsys: pytest.CaptureFixture[str], stack: Path
) -> None:
    _, out, _ = run(capsys, "send", stack, "--to", service.ingest, "--fps", 0, "--frames", "2:5", "--stream", "STM")
    assert unwrapped(out)[0].startswith(
        "STM: offered 3 = processed 3 + dropped by the producer 0 + dropped as stale 0 + rejected 0 + quarantined 0; "
    )


@pytest.mark.parametrize("rows", [0, 16])
@pytest.mark.clock
def test_simulate_sends_images_to_an_image_model(
    serve: Make, mapper: LatentMapper, capsys: pytest.CaptureFixture[str], rows: int
) -> None:
    service: Service = serve(UnknownPixelSize(mapper))
    options = ["--frames", 3, "--size", 64, "--fps", 0, "--rows", rows, "--json"]
    code, out, _ = run(capsys, "simulate", "--to", service.ingest, *options)
    assert code == 0
    assert json.loads(out)["processed"] == 3


def test_simulate_sends_lines_to_a_line_model(
    serve: Make, line_mapper: LatentMapper, capsys: pytest.CaptureFixture[str]
) -> None:
    service: Service = serve(line_mapper)
    code, out, _ = run(capsys, "simulate", "--to", service.ingest, "--frames", 3, "--fps", 0, "--json")
    assert (code, json.loads(out)["processed"]) == (0, 3)


def test_frames_that_are_all_refused_are_an_error_with_the_reason(
    service: Service, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    np.save(tmp_path / "small.npy", noisy((2, 8, 8)))
    code, out, err = run(capsys, "send", tmp_path / "small.npy", "--to", service.ingest, "--fps", 0)
    assert code == 1
    assert "rejected 2" in out
    assert err.startswith("shiftvae: error: 2 of 2 frames were refused; the last: bad_window: the frame is 8 x 8 px")
    assert err.count("\n") == 1


def test_one_refused_frame_is_a_warning(service: Service, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    movie = noisy((3, 48, 48)).astype(np.float32)
    movie[1, 5, 5] = np.nan
    np.save(tmp_path / "movie.npy", movie)
    code, out, err = run(capsys, "send", tmp_path / "movie.npy", "--to", service.ingest, "--fps", 0, "--json")
    assert code == 0
    assert (json.loads(out)["processed"], json.loads(out)["rejected"]) == (2, 1)
    assert err.startswith("shiftvae: warning: 1 of 3 frames were refused; the last: bad_frame: 1 of 2304 pixels")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["send", "STACK", "--to", NOBODY], "no service at tcp://127.0.0.1:9"),
        (["simulate", "--to", NOBODY], "no service at tcp://127.0.0.1:9"),
        (["watch", "--from", NOBODY], "no service publishes at tcp://127.0.0.1:9"),
        (["send", "STACK", "--to", "nonsense"], "expected an endpoint tcp://HOST:PORT"),
        (["serve", "nothing.svae", *NORMAL], "nothing.svae"),
        (["serve", "MODEL", *NORMAL, "--ingest", "tcp://0.0.0.0:5701"], "refusing to listen on tcp://0.0.0.0:5701"),
        (["serve", "MODEL", *NORMAL, "--ingest", "INGEST"], "is taken, probably by another service"),
        (["send", "nothing.npy", "--to", "INGEST"], "nothing.npy is missing"),
        (["send", "STACK", "--to", "INGEST", "--frames", "9:"], "has 7 frames, none of which --frames selects"),
        (["watch", "--from", "RESULTS", "-o", "STACK"], "cannot create the folder"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_work_is_one_line_and_code_1(
    service: Service,
    capsys: pytest.CaptureFixture[str],
    stack: Path,
    tiny_model: Path,
    arguments: list[str],
    text: str,
) -> None:
    names = {"STACK": stack, "MODEL": tiny_model, "INGEST": service.ingest, "RESULTS": service.results}
    code, out, err = run(capsys, *(names.get(argument, argument) for argument in arguments))
    assert (code, out) == (1, "")
    assert text in err
    assert err.startswith("shiftvae: error: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments", [["send", "x", "--frames", "3"], ["serve", "x", "--max-age", "0"], ["watch", "--count", "x"]], ids=str
)
def test_wrong_usage_is_code_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(arguments)


@pytest.mark.parametrize("rows", [0, 28], ids=["whole frames", "row bands"])
def test_a_real_movie_is_streamed_without_a_loss(
    service: Service,
    mapper: LatentMapper,
    subscribe: Make,
    capsys: pytest.CaptureFixture[str],
    real_data: Callable[[str], Path],
    rows: int,
) -> None:
    path = real_data("stm_movie_lattice_114x196x196_int16.npy")
    subscriber: Subscriber = subscribe(service)
    sent: list[tuple[int, str, str]] = []
    options = ["--frames", "20:", "--fps", 0, "--rows", rows, "--json"]
    sender = threading.Thread(target=lambda: sent.append(run(capsys, "send", path, "--to", service.ingest, *options)))
    sender.start()
    movie, complete = np.load(path), []
    while len(complete) < 94:
        result = subscriber.receive(LIMIT_S)
        assert result is not None
        if result.complete:
            complete.append(result)
    sender.join(LIMIT_S)
    ((code, out, err),) = sent
    assert (code, [line for line in err.splitlines() if not line.endswith(" so far")]) == (0, [])
    assert (json.loads(out)["offered"], json.loads(out)["processed"]) == (94, 94)
    assert subscriber.gaps == 0
    for number, result in enumerate(complete, 20):
        assert result.frame == number
        expected = mapper.map(movie[number])
        if rows == 0:
            assert np.array_equal(result.latent_map.mean, expected.mean)
        assert np.allclose(result.latent_map.mean, expected.mean, atol=1e-5)
