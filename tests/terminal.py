"""The command in a terminal of 80 columns, as a person sees it: for tests of manners."""

from __future__ import annotations

import os
import re
import select
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

COLUMNS = 80
#: Control sequences that move the cursor up or colour; they take no column.
ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def unwrapped(text: str) -> list[str]:
    """Answers of a command: each line with those that go on below it."""
    return re.sub(r"\n +", " ", text).splitlines()


class Terminal:
    """`shiftvae` with the words given, in a pseudo-terminal of 80 columns; a context that ends it."""

    def __init__(self, *words: object, cwd: Path | None = None) -> None:
        import fcntl
        import pty
        import termios

        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))

        def own_terminal() -> None:
            os.setsid()
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's background jobs ignore it, and so would we
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        command = [sys.executable, "-m", "shiftvae_rt", *map(str, words)]
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, preexec_fn=own_terminal, cwd=cwd
        )
        os.close(theirs)
        self._ours = ours
        self.text = ""

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *exception: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)

    def read_until(self, words: str, *, limit_s: float = 120.0) -> str:
        """Everything so far, once `words` stand in it; without `words`, once the command has ended."""
        deadline = time.monotonic() + limit_s
        while not words or words not in self.text:
            ready, _, _ = select.select([self._ours], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"{words!r} did not come in {limit_s:g} s; so far: {self.text}"
            try:
                came = os.read(self._ours, 1 << 16)
            except OSError:  # Linux: the last process let go of the terminal
                came = b""
            if not came:
                assert not words, f"the command ended without {words!r}: {self.text}"
                break
            self.text += came.decode()
        return self.text

    def ctrl_c(self) -> int:
        """Press Ctrl-C; the exit code."""
        os.write(self._ours, b"\x03")
        self.read_until("")
        return self.process.wait(30)

    @property
    def lines(self) -> list[str]:
        """What stood in each line at any time."""
        return [line for line in re.split(r"[\r\n]+", ESCAPES.sub("", self.text)) if line]
