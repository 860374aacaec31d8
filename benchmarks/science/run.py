"""The whole scientific suite in one run on this machine.

    python benchmarks/science/run.py [--quick] [NAME...]

Runs the scripts in this folder, each in a separate process with one thread; each writes its figures to
benchmarks/results and its section of docs/reference/benchmarks.md. With --quick, a short run of each that writes
nothing. NAME selects scripts. A script exits with 1 if a figure misses its target: the misses are in its table, and the
suite continues.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
SUITE = (
    "evidence",
    "standard_image",
    "shot_noise_limit",
    "lattices",
    "lines",
    "uncertainty",
    "order",
    "weak_signals",
    "strain_table",
    "displacement",
    "constraints_table",
    "domain_table",
    "coverage",
    "import_equality",
    "pyroved_side_by_side",
    "authors_demo",
    "family",
    "grains",
    "turning",
    "choice_table",
)
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(SUITE)}; all by default")
    parser.add_argument("--quick", action="store_true", help="a look at each, nothing is written")
    options = parser.parse_args()
    if unknown := set(options.names) - set(SUITE):
        parser.error(f"no script is called {', '.join(sorted(unknown))}: choose of {', '.join(SUITE)}")
    failed = []
    for name in options.names or SUITE:
        print(f"\n{name}", flush=True)
        started = time.perf_counter()
        command = [sys.executable, str(HERE / f"{name}.py"), "--quick" if options.quick else "--write"]
        code = subprocess.run(command, env=os.environ | ONE_THREAD, check=False).returncode
        print(f"{name}: {time.perf_counter() - started:.0f} s, exit code {code}", flush=True)
        if code not in (0, 1):
            failed.append(name)
    if failed:
        print(f"\nfailed: {', '.join(failed)}", file=sys.stderr)
    return 2 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
