"""shiftvae keys, status and export, and the options of serve, send and watch that belong to them."""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
import threading
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lossless_support import numbered
from stream_support import FREE, LIMIT_S, GatedMapper, noisy, until
from terminal import COLUMNS, unwrapped
from tiny_models import tiny_manifest, tiny_members, tiny_weights

from shiftvae_rt import cli
from shiftvae_rt.commands import serve as serve_command
from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_rt.model.model_file import write_model_file
from shiftvae_rt.stream import Options, Producer, Service
from shiftvae_rt.stream.journal.journal import Journal

Make = Callable[..., Any]


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = cli.main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture
def keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    folder = tmp_path / "keys"
    assert run(capsys, "keys", "create", folder)[0] == 0
    assert run(capsys, "keys", "add", folder, "scope", "--role", "produce")[0] == 0
    assert run(capsys, "keys", "add", folder, "boss", "--role", "admin", "--role", "read")[0] == 0
    return folder


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    np.save(tmp_path / "movie.npy", np.stack([numbered(seq, (40, 40)) for seq in range(1, 8)]))
    return tmp_path / "movie.npy"


def test_keys_are_made_listed_and_revoked(keys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "keys", "list", keys)
    assert code == 0
    assert [line.split()[:-1] for line in out.splitlines()] == [["scope", "produce"], ["boss", "admin", "read"]]
    assert (keys / "scope.key").is_file()
    assert run(capsys, "keys", "revoke", keys, "scope")[0] == 0
    assert "scope" not in run(capsys, "keys", "list", keys)[1]
    code, _, err = run(capsys, "keys", "revoke", keys, "scope")
    assert (code, err) == (1, f"shiftvae: error: {keys} has no client 'scope': it has boss\n")


def test_a_locked_service_serves_those_with_keys(
    serve: Make, mapper: LatentMapper, keys: Path, movie: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    service: Service = serve(mapper, options=Options(keys=keys, control=FREE, journal=tmp_path / "j"))
    code, out, _ = run(
        capsys, "send", movie, "--to", service.ingest, "--lossless", "--fps", 0, "--key", keys / "scope.key", "--json"
    )
    assert (code, json.loads(out)["processed"]) == (0, 7)
    code, out, _ = run(capsys, "status", "--control", service.control, "--key", keys / "boss.key")
    assert code == 0
    assert "offered 7 = processed 7" in out
    code, _, err = run(capsys, "send", movie, "--to", service.ingest, "--fps", 0)
    assert code == 1
    assert "no service at" in err


def test_a_lossless_file_is_sent_once_however_often_it_is_sent(
    serve: Make, mapper: LatentMapper, movie: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    service: Service = serve(mapper, options=Options(control=FREE, journal=tmp_path / "j"))
    send = ["send", movie, "--to", service.ingest, "--lossless", "--fps", 0]
    code, out, _ = run(capsys, *send)
    assert (code, out.split("; ")[0][-9:]) == (0, "committed\n"[-9:]) or "committed" in out
    code, _, err = run(capsys, *send)
    assert code == 1
    assert "was ended after 7 frames" in err
    code, out, _ = run(capsys, "status", "--control", service.control, "--streams")
    assert out.startswith("movie (lossless, ended): offered 7 = processed 7")
    code, _, err = run(capsys, *send, "--rows", 8, "--stream", "other")
    assert (code, "whole frames" in err) == (1, True)


def test_refused_frames_of_a_lossless_stream_are_told_and_listed_with_their_reasons(
    serve: Make, mapper: LatentMapper, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    service: Service = serve(mapper, options=Options(journal=tmp_path / "j"))
    stack = np.random.default_rng(0).poisson(40, (3, 40, 40)).astype(np.float32)
    stack[1, 5, 5] = np.nan
    np.save(tmp_path / "some.npy", stack)
    np.save(tmp_path / "all.npy", stack[1:2])
    send = ["--to", service.ingest, "--lossless", "--fps", 0]
    code, _, err = run(capsys, "send", tmp_path / "some.npy", *send, "--stream", "some")
    assert (code, "warning: 1 of 3 frames were refused; `shiftvae export JOURNAL some` lists" in err) == (0, True)
    code, _, err = run(capsys, "send", tmp_path / "all.npy", *send)
    assert (code, "error: 1 of 1 frames were refused" in err) == (1, True)
    code, out, _ = run(capsys, "export", tmp_path / "j", "some")
    state, reason = unwrapped(out)
    assert state.startswith("some (lossless, ended): offered 3 = processed 2")
    assert reason.startswith("2 rejected: bad_frame: 1 of 1600 pixels are NaN")


@pytest.mark.clock
def test_status_as_json_and_stop(
    serve: Make, mapper: LatentMapper, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    service: Service = serve(mapper, options=Options(control=FREE))
    code, out, _ = run(capsys, "status", "--control", service.control, "--json")
    status = json.loads(out)
    assert (code, status["ready"], status["epoch"]) == (0, True, service.epoch)
    code, _, err = run(capsys, "status", "--control", service.control, "--swap", "x.svae")
    assert (code, "no folder of models" in err) == (1, True)
    assert run(capsys, "status", "--control", service.control, "--stop") == (0, "the service stops\n", "")
    service._thread.join()


def test_status_gives_the_verdict_on_a_frame_that_is_being_scanned(
    serve: Make, mapper: LatentMapper, produce: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    service: Service = serve(mapper, options=Options(control=FREE))
    producer = produce(service, stream="s", mode="replay")
    producer.offer_rows(3, np.random.default_rng(0).poisson(40, (64, 48)).astype(np.uint16)[:40], 0, (64, 48))
    until(lambda: service.report().verdicts)
    code, out, _ = run(capsys, "status", "--control", service.control)
    assert (code, "s, frame 3, 40 of 64 lines: in domain" in " ".join(out.split())) == (0, True)
    assert max(map(len, out.splitlines())) <= COLUMNS
    assert service.report().out_of_domain == 0


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Addresses that a browser was asked to open."""
    found: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda address: found.append(address) or True)
    return found


def test_open_leads_to_the_live_page_of_a_service(
    serve: Make, mapper: LatentMapper, opened: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    service: Service = serve(mapper, options=Options(http="127.0.0.1:0"))
    assert run(capsys, "open", service.http) == (0, f"{service.page}\n", "")
    assert opened == [service.page]
    bare: Service = serve(mapper, options=Options(http="127.0.0.1:0", page=False))
    code, _, err = run(capsys, "open", bare.http)
    assert (code, "--no-page" in err) == (1, True)
    code, _, err = run(capsys, "open", "127.0.0.1:1")
    assert (code, "no service answers at http://127.0.0.1:1/" in err) == (1, True)
    assert len(opened) == 1


def test_open_leads_to_the_report_of_a_model_in_a_private_file(
    tmp_path: Path, opened: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    weights = tiny_weights()
    members = {**tiny_members(weights), "report.html": b"<h1>report</h1>"}
    write_model_file(tmp_path / "m.svae", tiny_manifest(weights), members)
    assert run(capsys, "open", tmp_path / "m.svae")[0] == 0
    (written,) = tmp_path.glob("shiftvae-*/m.html")
    assert (opened, written.read_text()) == ([written.as_uri()], "<h1>report</h1>")
    if os.name == "posix":
        assert written.parent.stat().st_mode & 0o077 == 0
    assert run(capsys, "open", written)[0] == 0
    assert opened[1] == opened[0]
    write_model_file(tmp_path / "bare.svae", tiny_manifest(weights), tiny_members(weights))
    code, _, err = run(capsys, "open", tmp_path / "bare.svae")
    assert (code, "holds no report" in err) == (1, True)
    code, _, err = run(capsys, "open", tmp_path / "none.html")
    assert (code, "there is no file" in err) == (1, True)


@pytest.mark.clock
def test_status_says_that_it_waits_for_a_slow_service(
    serve: Make,
    mapper: LatentMapper,
    produce: Make,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("shiftvae_rt.stream.reader.control_client._TELL_S", 0.05)
    gated = GatedMapper(mapper)
    service: Service = serve(gated, options=Options(control=FREE))
    produce(service).offer(noisy((40, 40)))
    assert gated.waiting.acquire(timeout=LIMIT_S)
    opens = threading.Timer(0.5, gated.gate.release)
    opens.start()
    code, out, err = run(capsys, "status", "--control", service.control, "--stop")
    assert (code, out) == (0, "the service stops\n")
    first = unwrapped(err)[0]
    assert first.startswith(f"shiftvae: the service at {service.control} has not answered for ")
    assert "Ctrl-C gives up" in first


@pytest.fixture
def journal(serve: Make, mapper: LatentMapper, line_mapper: LatentMapper, tmp_path: Path, produce: Make) -> Path:
    """A journal with a recorded live stream of six frames, of which the third has no map."""
    path = tmp_path / "j"
    service: Service = serve(mapper, options=Options(journal=path, record=True))
    from shiftvae_rt.stream import LosslessProducer

    with LosslessProducer(service.ingest, stream="run") as producer:
        for number in range(1, 7):
            frame = np.full((40, 40), np.nan, np.float32) if number == 3 else numbered(number, (40, 40))
            producer.send(frame, number=number, pixel_size_nm=0.02)
    live: Producer = produce(service, "live", mode="replay")
    live.offer(noisy((40, 40)))
    live.close(LIMIT_S)
    service.__exit__()
    return path


def test_a_stream_is_exported_with_axes_units_and_provenance(
    journal: Path, mapper: LatentMapper, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    h5py = pytest.importorskip("h5py")
    out = tmp_path / "run.hspy"
    code, said, _ = run(capsys, "export", journal, "run", "-o", out)
    assert code == 0
    assert said.startswith("run (lossless, ended): offered 6 = processed 5")
    with h5py.File(out) as file:
        for title, name in (("latent mean", "mean"), ("latent std", "std")):
            group = file[f"Experiments/{title}"]
            expected = [getattr(mapper.map(numbered(n, (40, 40))), name) for n in (1, 2, 4, 5, 6)]
            assert np.array_equal(group["data"], np.stack(expected))
            axes = [dict(group[f"axis-{n}"].attrs) for n in range(4)]
            assert [axis["name"] for axis in axes] == ["time", "latent", "y", "x"]
            assert [axis["units"] for axis in axes] == ["s", "", "nm", "nm"]
            assert axes[3]["scale"] == pytest.approx(0.08)
        about = group["metadata/shiftvae"]
        assert about["seq"][:].tolist() == about["frame"][:].tolist() == [1, 2, 4, 5, 6]
        assert about.attrs["model_sha256"] == mapper.model.sha256
        assert about.attrs["frames_without_a_map"].startswith("3 rejected: bad_frame: 1600 of 1600 pixels are NaN")


def test_an_exported_stream_opens_in_the_readers_of_the_field(
    journal: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    rsciio = pytest.importorskip("rsciio.hspy")
    run(capsys, "export", journal, "run", "-o", tmp_path / "run.hspy")
    signals = {each["metadata"]["General"]["title"]: each for each in rsciio.file_reader(str(tmp_path / "run.hspy"))}
    latents, fields = signals["run: latent mean"], signals["run: fields"]
    assert [axis["name"] for axis in latents["axes"]] == ["time", "latent", "y", "x"]
    assert [axis["name"] for axis in fields["axes"]] == ["time", "field", "y", "x"]
    assert latents["data"].shape == signals["run: latent std"]["data"].shape == (5, 4, 7, 7)
    assert len(fields["data"]) == 5


def test_streams_are_listed_while_the_service_runs_and_after(
    serve: Make, mapper: LatentMapper, journal: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(capsys, "export", journal)
    assert code == 0
    assert [line.split()[0].partition("@")[0] for line in unwrapped(out)] == ["run", "live"]
    serve(mapper, options=Options(journal=journal))
    assert run(capsys, "export", journal) == (0, out, "")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["JOURNAL", "nobody", "-o", "OUT.hspy"], "has no stream 'nobody': it has 'run', 'live@"),
        (["JOURNAL", "run", "-o", "OUT.npz"], "ends in .hspy, got"),
        (["JOURNAL", "nobody"], "has no stream 'nobody': it has 'run', 'live@"),
        (["JOURNAL", "-o", "OUT.hspy"], "expected the name of a stream for"),
        (["nothing"], "there is no journal nothing"),
    ],
    ids=["stream", "ending", "listed", "output", "journal"],
)
def test_what_cannot_be_exported_is_one_line(
    journal: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str], text: str
) -> None:
    names = {"JOURNAL": journal, "OUT.hspy": tmp_path / "o.hspy", "OUT.npz": tmp_path / "o.npz"}
    code, out, err = run(capsys, "export", *(names.get(argument, argument) for argument in arguments))
    assert (code, out) == (1, "")
    assert text in err
    assert err.count("\n") == 1
    assert not (tmp_path / "o.hspy").exists()


def test_recording_needs_a_journal(tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "serve", tiny_model, "--record", "--priority", "normal")
    assert (code, "give --journal FILE" in err) == (1, True)


def test_log_lines_of_a_program_are_json() -> None:
    try:
        raise ValueError("boom")
    except ValueError:
        record = logging.LogRecord("shiftvae_rt.x", logging.ERROR, "x.py", 1, "it %s", ("failed",), sys.exc_info())
    line = json.loads(serve_command._JsonLines().format(record))
    assert (line["level"], line["message"]) == ("error", "it failed")
    assert "ValueError: boom" in line["traceback"]


def test_log_lines_for_people_escape_what_a_stranger_wrote() -> None:
    try:
        raise ValueError("boom\x1b[2J\nshiftvae: INFO: all is well")
    except ValueError:
        record = logging.LogRecord("shiftvae_rt.x", logging.ERROR, "x.py", 1, "%s", ("a\x1b[2J\nb",), sys.exc_info())
    first, *others = serve_command._PlainLines("shiftvae: %(levelname)s: %(message)s").format(record).splitlines()
    assert first == r"shiftvae: ERROR: a\x1b[2J\nb"
    assert all(line.isprintable() for line in others)
    assert others[0].startswith("Traceback"), "lines of a traceback stay lines"


EVIL = "\x1b[2Jevil\nname\x9b\u202e"


@pytest.fixture
def evil(tmp_path: Path) -> Path:
    """A journal with a stream and a reason that were put there by somebody who means harm."""
    path = tmp_path / "evil"
    journal = Journal(path)
    journal.open_stream(EVIL, "lossless")
    journal.append(EVIL, 1, "rejected", EVIL.encode())
    journal.commit()
    journal.close()
    return path


@pytest.mark.parametrize("options", [[], [EVIL], ["nobody"], ["--json"]], ids=["list", "one", "none", "json"])
def test_nothing_that_a_journal_holds_reaches_the_terminal_unescaped(
    evil: Path, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    _, out, err = run(capsys, "export", evil, *options)
    assert all(line.isprintable() for line in (out + err).splitlines())
    lines = unwrapped(out + err)
    assert "evil" in out + err
    assert len(lines) == (2 if options == [EVIL] else 1)


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["table", "json"])
def test_nothing_that_a_service_holds_reaches_the_terminal_unescaped(
    serve: Make, mapper: LatentMapper, evil: Path, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    service: Service = serve(mapper, options=Options(control=FREE, journal=evil))
    code, out, _ = run(capsys, "status", "--control", service.control, "--streams", *options)
    assert (code, len(unwrapped(out))) == (0, 1)
    assert all(line.isprintable() for line in out.splitlines())
    assert "evil" in out


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a process of its own")
def test_the_service_gives_way() -> None:
    pid = os.fork()
    if pid == 0:
        serve_command.give_way()
        os._exit(os.nice(0))
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) >= 5


@pytest.mark.clock
def test_an_idle_service_does_not_spin(serve: Make, mapper: LatentMapper) -> None:
    import time

    serve(mapper, options=Options(control=FREE, http="127.0.0.1:0"))
    started, spent = time.monotonic(), time.process_time()
    time.sleep(1.0)
    assert (time.process_time() - spent) / (time.monotonic() - started) < 0.1
