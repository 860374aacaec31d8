"""A producer, a service and a reader, killed again and again: is every frame there, exactly once, in order?

    python tests/stream/faults/kill_run.py MODEL FOLDER --frames 2000 --kills 15 --role service

Each role is a process of its own and is started anew when it was killed. The parent imports everything once and forks,
so that a start takes some 50 ms. Kills come while frames flow, never after a drain. The last line printed is a JSON
report; the exit code is 0 only if the reader's own database holds every frame exactly once, in order.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import random
import signal
import socket
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from mutants import MUTANTS

from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_rt.errors import ShiftVaeError
from shiftvae_rt.stream import (
    Control,
    KeyFolder,
    LosslessProducer,
    Options,
    Service,
)

STREAM = "run"
ONE_TRANSACTION = True  # what a mutant changes
ROLES = ("producer", "service", "reader")


def frame_of(seq: int) -> np.ndarray:
    """A frame that belongs to `seq` alone: its first pixels are its number."""
    pixels = np.arange(18 * 16, dtype=np.uint16).reshape(18, 16) * 37 % 251
    pixels[0, :4] = [(seq >> shift) & 255 for shift in (0, 8, 16, 24)]
    return pixels


class Endpoints:
    """Two fixed loopback ports that were free a moment ago, and the keys."""

    def __init__(self, folder: Path, curve: bool) -> None:
        with socket.socket() as one, socket.socket() as two:
            for each in (one, two):
                each.bind(("127.0.0.1", 0))
            self.ingest, self.control = (f"tcp://127.0.0.1:{s.getsockname()[1]}" for s in (one, two))
        self.keys = self.producer_key = self.reader_key = None
        if curve:
            keys = KeyFolder.create(folder / "keys")
            self.keys = keys.path
            self.producer_key, self.reader_key = keys.add("scope", ("produce",)), keys.add("viewer", ("read",))


def run_service(model: Path, folder: Path, ends: Endpoints) -> None:
    options = Options(control=ends.control, journal=folder / "run.journal", keys=ends.keys)
    service = Service(LatentMapper(model), ingest=ends.ingest, results="tcp://127.0.0.1:0", options=options)
    signal.signal(signal.SIGTERM, lambda *_: service.stop())
    service.run()


def run_producer(folder: Path, ends: Endpoints, frames: int, rate: float) -> None:
    producer = LosslessProducer(ends.ingest, stream=STREAM, session="producer", key=ends.producer_key)
    try:
        first = producer.wait_ready(60).next_seq
    except ShiftVaeError as error:
        if "stream_ended" not in str(error):
            raise
        (folder / "producer.done").touch()  # killed after END, before it could say so
        return
    for seq in range(first, frames + 1):
        assert producer.send(frame_of(seq), number=seq) == seq
        if rate > 0:
            time.sleep(1 / rate)
    producer.end(60)
    (folder / "producer.done").touch()


def run_reader(folder: Path, ends: Endpoints) -> None:
    database = open_output(folder)
    while True:
        (after,) = database.execute("SELECT COALESCE(MAX(seq), 0) FROM cursor").fetchone()
        try:
            with Control(ends.control, key=ends.reader_key, connect_s=1.0) as control:
                for record in control.records(STREAM, after):
                    number = record.result.frame if record.result is not None else -1
                    with database:
                        database.execute("BEGIN")
                        database.execute("INSERT INTO cursor VALUES (?)", (record.seq,))
                        if not ONE_TRANSACTION:
                            database.execute("COMMIT")
                            time.sleep(0.002)
                            database.execute("BEGIN")
                        database.execute("INSERT INTO output VALUES (?, ?)", (record.seq, number))
            (folder / "reader.done").touch()
            return
        except ShiftVaeError:
            time.sleep(0.05)  # the service is away


def open_output(folder: Path) -> sqlite3.Connection:
    database = sqlite3.connect(folder / "output.db", isolation_level=None)
    database.executescript(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"  # the reader is killed, the power stays
        "CREATE TABLE IF NOT EXISTS output (seq INTEGER, number INTEGER);"
        "CREATE TABLE IF NOT EXISTS cursor (seq INTEGER)"
    )
    return database


class Roles:
    """The processes."""

    def __init__(self, run: dict[str, Callable[[], None]], mutant: str | None) -> None:
        self._run, self._mutant = run, mutant
        self.pids: dict[str, int] = {}

    def start(self, role: str) -> None:
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                if self._mutant is not None:
                    MUTANTS[self._mutant]()
                self._run[role]()
                code = 0
            except BaseException as error:  # noqa: BLE001  # a child that is to end here, whatever happens
                sys.stderr.write(f"{role}: {type(error).__name__}: {error}\n")
            finally:
                sys.stderr.flush()
                os._exit(code)
        self.pids[role] = pid

    def kill(self, role: str, number: int = signal.SIGKILL) -> None:
        os.kill(self.pids[role], number)
        os.waitpid(self.pids.pop(role), 0)

    def revive(self, done: Callable[[str], bool]) -> None:
        """Start whoever has died and is not done."""
        for role in list(self._run):
            pid = self.pids.get(role)
            if pid is not None and os.waitpid(pid, os.WNOHANG)[0]:
                del self.pids[role]
            if role not in self.pids and not done(role):
                self.start(role)


def committed(folder: Path) -> int:
    uri = f"file:{folder / 'run.journal'}?mode=ro"
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(uri, uri=True)) as database:
        row = database.execute("SELECT last_seq FROM streams WHERE name=?", (STREAM,)).fetchone()
        return 0 if row is None else row[0]
    return 0


def play(arguments: argparse.Namespace) -> dict[str, object]:
    folder, chance = arguments.folder, random.Random(arguments.seed)
    ends = Endpoints(folder, arguments.curve)
    roles = Roles(
        {
            "service": lambda: run_service(arguments.model, folder, ends),
            "producer": lambda: run_producer(folder, ends, arguments.frames, arguments.rate),
            "reader": lambda: run_reader(folder, ends),
        },
        arguments.mutant,
    )

    def done(role: str) -> bool:
        return (folder / f"{role}.done").exists()

    victims = ROLES if arguments.role == "mixed" else (arguments.role,)
    kills = dict.fromkeys(ROLES, 0)
    stalls, slowest_s = 0, 0.0
    started = progress = time.monotonic()
    seen, killed_at, next_kill = 0, -1, time.monotonic() + 0.5
    each = arguments.frames / max(1, arguments.kills)
    while not (done("producer") and done("reader")):
        roles.revive(done)
        time.sleep(0.01)
        now, last = time.monotonic(), committed(folder)
        if last > seen:
            slowest_s = max(slowest_s, now - progress)
            seen, progress = last, now
        if done("producer"):
            progress = max(progress, now - 5.0)
        if now - progress > arguments.stall or now - started > arguments.limit:
            stalls += 1
            break
        due = sum(kills.values()) < arguments.kills and last >= each * sum(kills.values()) and last > killed_at
        if due and now > next_kill:
            role = chance.choice([v for v in victims if v in roles.pids and not done(v)] or [""])
            if role:
                roles.kill(role)
                kills[role] += 1
                killed_at, next_kill = last, time.monotonic() + chance.uniform(0.05, 0.3)
    seconds = time.monotonic() - started
    for role in list(roles.pids):
        roles.kill(role, signal.SIGTERM if role == "service" else signal.SIGKILL)
    rows = open_output(folder).execute("SELECT seq, number FROM output ORDER BY rowid").fetchall()
    seqs = [seq for seq, _ in rows]
    return {
        "role": arguments.role,
        "frames": arguments.frames,
        "kills": kills,
        "read": len(seqs),
        "lost": len(set(range(1, arguments.frames + 1)) - set(seqs)),
        "duplicated": len(seqs) - len(set(seqs)),
        "reordered": sum(b < a for a, b in itertools.pairwise(seqs)),
        "wrong": sum(seq != number for seq, number in rows),
        "stalls": stalls,
        "slowest_resume_s": round(slowest_s, 2),
        "seconds": round(seconds, 1),
        "frames_per_s": round(arguments.frames / seconds),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--frames", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=15)
    parser.add_argument("--role", choices=(*ROLES, "mixed"), default="mixed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rate", type=float, default=0.0, help="frames/s, to leave time for the kills of a short run")
    parser.add_argument("--mutant", choices=sorted(MUTANTS))
    parser.add_argument("--curve", action="store_true")
    parser.add_argument("--stall", type=float, default=15.0, help="longest time without a commit, s")
    parser.add_argument("--limit", type=float, default=100.0, help="longest run, s")
    report = play(parser.parse_args())
    print(json.dumps(report))
    return int(any(report[name] for name in ("lost", "duplicated", "reordered", "wrong", "stalls")))


if __name__ == "__main__":
    sys.exit(main())
