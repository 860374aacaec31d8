"""Run the tests that have a clock in them again and again, beside processes that do nothing but take the cores.

``python tests/busy.py --rounds 10 --loops 4``: the long form of the marker ``clock``. What fails in a round is shown at
its end; the rounds go on, so that the last line tells how often a test fails.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

#: Ends with its parent, however that ends.
LOOP = "import os\nparent = os.getppid()\nwhile os.getppid() == parent:\n    pass"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10, help="how often (default %(default)s)")
    parser.add_argument("--loops", type=int, default=4, help="how many busy processes (default %(default)s)")
    parser.add_argument("tests", nargs="*", help="what else pytest is told, as files of tests (default: all)")
    arguments = parser.parse_args()
    loops = [subprocess.Popen([sys.executable, "-c", LOOP]) for _ in range(arguments.loops)]
    command = [sys.executable, "-m", "pytest", "-q", "-m", "clock", *arguments.tests]
    failed = 0
    try:
        for _ in range(arguments.rounds):
            failed += subprocess.run(command, cwd=Path(__file__).parents[1], check=False).returncode != 0
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
    print(f"{arguments.rounds - failed} of {arguments.rounds} rounds passed beside {arguments.loops} busy loops")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
