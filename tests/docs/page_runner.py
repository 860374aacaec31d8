"""Run the blocks of a page in order, as its reader would: `python page_runner.py PAGE.md`, in an empty folder.

``python`` blocks share one namespace, ``bash`` blocks one shell, where a line that fails ends the page. In ``console``
blocks the lines after a ``$`` are what the command must say; ``...`` stands for anything. Blocks of any other language
are not run.
"""

from __future__ import annotations

import doctest
import json
import os
import re
import signal
import subprocess
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RUN = ("python", "bash", "console")
#: Trainings are short, and nothing is installed.
PREAMBLE = """set -eu
shiftvae() { case "$1" in train|sweep) command shiftvae "$@" --steps 40;; *) command shiftvae "$@";; esac; }
pip() { echo "pip $*"; }
"""


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and the line of the page where the text begins."""

    language: str
    text: str
    line: int


def blocks_of(page: str) -> list[Block]:
    """The blocks of a page that are to be run."""
    found = []
    for match in re.finditer(r"^( *)```([\w-]+)[^\n]*\n(.*?)^\1```$", page, re.MULTILINE | re.DOTALL):
        text = re.sub(rf"^{match[1]}", "", match[3], flags=re.MULTILINE)
        found.append(Block(match[2], text, page.count("\n", 0, match.start()) + 2))
    return [block for block in found if block.language in RUN]


class Shell:
    """One bash for all blocks of a page."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(["bash"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.number = 0
        self.run(PREAMBLE)

    def __enter__(self) -> Shell:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def run(self, text: str) -> str:
        """Run `text` and give what it said; RuntimeError with that if a line fails."""
        self.number += 1
        script, said = (Path(f".block{self.number}.{end}").resolve() for end in ("sh", "out"))
        script.write_text(text)
        self.process.stdin.write(f"source {script} >{said} 2>&1 </dev/null\necho done\n")
        self.process.stdin.flush()
        done = self.process.stdout.readline()
        output = said.read_text()
        if done != "done\n":
            raise RuntimeError(f"a line of this block failed; it said:\n{output}")
        return output


def run_console(shell: Shell, text: str) -> None:
    """Run the lines that begin with ``$``, and compare what they say."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, wanted = part.partition("\n")
        said = shell.run(command)
        if not doctest.OutputChecker().check_output(wanted, said, doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE):
            raise RuntimeError(f"$ {command}\nexpected:\n{wanted}\ngot:\n{said}")


def run_page(path: Path) -> int:
    """Run all blocks; the number of those that were run. The last line of stdout says it as JSON."""
    blocks, scope = blocks_of(path.read_text(encoding="utf-8")), {"__name__": "__main__"}
    shell = Shell()
    for block in blocks:
        try:
            if block.language == "python":
                run_python(block, path, scope)
            elif block.language == "bash":
                shell.run(block.text)
            else:
                run_console(shell, block.text)
        except Exception:  # noqa: BLE001 - whatever a page raises
            print(f"{path}, line {block.line}:\n{block.text}\n{traceback.format_exc()}", file=sys.stderr)
            return 1
    print(json.dumps({"blocks": len(blocks)}))
    return 0


def run_python(block: Block, path: Path, scope: dict[str, Any]) -> None:
    code = "\n" * (block.line - 1) + block.text
    exec(compile(code, str(path), "exec"), scope)


if __name__ == "__main__":
    os.setpgid(0, 0)
    os.environ["MPLBACKEND"] = "agg"
    code = run_page(Path(sys.argv[1]).resolve())
    sys.stdout.flush()
    signal.signal(signal.SIGTERM, lambda *_: os._exit(code))
    os.killpg(0, signal.SIGTERM)  # what the page left running in the background
    signal.pause()
