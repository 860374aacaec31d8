"""One service of a fleet: a process that is started, watched, and started again when it ends or hangs."""

from __future__ import annotations

import collections
import contextlib
import http.client
import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, Literal

import msgspec

from .directory import ServiceState
from .settings import ServiceEntry

__all__ = ["Watched"]

_log = logging.getLogger(__name__)
#: First and longest pause before a start, s: each end doubles it.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
#: A service that ran this long, s, begins again with the first pause.
SETTLED_S = 60.0
#: Time between two looks at a service, and what it has for an answer, s.
LOOK_S, ANSWER_S = 1.0, 2.0
#: Number of looks in a row that a running service may leave unanswered; then it counts as hanging.
UNANSWERED = 5
#: Time that a service has to load its model and listen, s, and to stop cleanly.
STARTING_S, STOPPING_S = 120.0, 10.0


class Watched:
    """A service and the thread that watches it; it starts at once.

    Parameters
    ----------
    entry, folder
        The service, and the folder at which its relative paths begin.
    """

    def __init__(self, entry: ServiceEntry, folder: Path) -> None:
        self.entry, self._folder = entry, folder
        self._process: subprocess.Popen[str] | None = None
        self._state: Literal["starting", "ready", "waiting", "stopped"] = "starting"
        self._restarts, self._reason = 0, ""
        self._counts = (0, 0)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"fleet-{entry.name}", daemon=True)
        self._thread.start()

    def state(self) -> ServiceState:
        """Give its state; from any thread."""
        entry, process = self.entry, self._process
        ingest, results, control, address = entry.addresses
        return ServiceState(
            name=entry.name,
            model=entry.model,
            streams=entry.streams,
            cuda_visible_devices=entry.cuda_visible_devices,
            ingest=ingest,
            results=results,
            control=control,
            http=address,
            state=self._state,
            pid=None if process is None else process.pid,
            restarts=self._restarts,
            reason=self._reason,
            offered=self._counts[0],
            processed=self._counts[1],
        )

    def begin_to_stop(self) -> None:
        """Let the service finish its frame, commit and end, as it does alone; returns at once."""
        self._stopping.set()

    def join(self) -> None:
        """Wait for the end of the service and of the thread."""
        self._thread.join()

    def _run(self) -> None:
        pause_s = FIRST_PAUSE_S
        while not self._stopping.is_set():
            self._state, self._counts, started_s = "starting", (0, 0), time.monotonic()
            self._reason = self._one_life() or self._reason
            self._process = None
            if self._stopping.is_set():
                break
            if time.monotonic() - started_s > SETTLED_S:
                pause_s = FIRST_PAUSE_S
            self._state = "waiting"
            _log.warning("%s: %s; it is started again in %.3g s", self.entry.name, self._reason, pause_s)
            self._stopping.wait(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            self._restarts += not self._stopping.is_set()
        self._state = "stopped"

    def _one_life(self) -> str:
        """Start the service, watch it to its end, and give the reason of the end."""
        environment = dict(os.environ)
        if self.entry.cuda_visible_devices is not None:
            environment["CUDA_VISIBLE_DEVICES"] = self.entry.cuda_visible_devices
        command = [sys.executable, "-m", "shiftvae_rt", *self.entry.command(self._folder)]
        self._process = process = subprocess.Popen(  # noqa: S603  # our own command, from a checked file
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="backslashreplace",
            # a group of its own: Ctrl-C reaches the fleet alone, which then stops each service once
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # of Windows
            start_new_session=sys.platform != "win32",
        )
        last: collections.deque[str] = collections.deque(maxlen=1)
        readers = [
            threading.Thread(target=self._hear, args=(process.stdout,), daemon=True),
            threading.Thread(target=self._forward, args=(process.stderr, last), daemon=True),
        ]
        for reader in readers:
            reader.start()
        hanging = self._watch(process)
        if self._stopping.is_set():
            _end(process)
        elif hanging:
            process.kill()
        code = process.wait()
        for reader in readers:
            reader.join()
        said = f": {last[0]}" if last else ""
        return "" if self._stopping.is_set() else hanging or f"ended with code {code}{said}"

    def _watch(self, process: subprocess.Popen[str]) -> str:
        """Look at the process until it ends, hangs or is to stop; gives why it counts as hanging, if it does."""
        unanswered, started_s = 0, time.monotonic()
        while process.poll() is None:
            if self._state == "ready":
                alive = self._look()
                unanswered = 0 if alive else unanswered + 1
                if unanswered >= UNANSWERED:
                    return f"was ended: it answered none of {UNANSWERED} looks at /livez"
            elif time.monotonic() - started_s > STARTING_S:
                return f"was ended: it was not ready {STARTING_S:.0f} s after its start"
            if self._stopping.wait(LOOK_S if self._state == "ready" else LOOK_S / 10):
                return ""
        return ""

    def _look(self) -> bool:
        """Ask the service whether it is alive, and what it has done."""
        connection = http.client.HTTPConnection(self.entry.addresses[3], timeout=ANSWER_S)
        text = ""
        try:
            for path in ("/livez", "/metrics"):
                connection.request("GET", path)
                answer = connection.getresponse()
                text = answer.read().decode()
                if answer.status != 200:
                    return False
                connection.close()
            figures = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
            names = ("shiftvae_frames_offered_total", 'shiftvae_frames_total{outcome="processed"}')
            offered, processed = (int(float(figures[name])) for name in names)
            self._counts = offered, processed
        except (OSError, ValueError, KeyError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        return True

    def _hear(self, lines: IO[str]) -> None:
        """Read what the service prints: it says when it is ready."""
        for line in lines:
            with contextlib.suppress(msgspec.DecodeError):
                said = msgspec.json.decode(line)
                if isinstance(said, dict) and said.get("event") == "ready":
                    self._state = "ready"
                    _log.info("%s: ready, process %d", self.entry.name, said["pid"])

    def _forward(self, lines: IO[str], last: collections.deque[str]) -> None:
        """Log what the service logs, with its name; keep its last words."""
        for line in lines:
            words = _message(line)
            last.append(words)
            _log.info("%s: %s", self.entry.name, words)


def _message(line: str) -> str:
    """The message of a line of a service's log."""
    with contextlib.suppress(msgspec.DecodeError):
        said = msgspec.json.decode(line)
        if isinstance(said, dict) and "message" in said:
            return str(said["message"])
    return line.strip().removeprefix("shiftvae: ")


def _end(process: subprocess.Popen[str]) -> None:
    """Ask a process to stop cleanly; end it if it does not."""
    if sys.platform == "win32":
        import signal

        process.send_signal(signal.CTRL_BREAK_EVENT)
    else:
        process.terminate()
    try:
        process.wait(STOPPING_S)
    except subprocess.TimeoutExpired:
        process.kill()
