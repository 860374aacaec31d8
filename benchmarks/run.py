"""Every figure of speed that we claim, in one run on this machine.

    python benchmarks/run.py [--rounds 9] [--quick] [--out benchmarks/results/NAME.json]

Writes the figures as JSON, as Markdown into the speed section of docs/reference/benchmarks.md, and as speed.svg beside
that page. Three minutes on a quiet machine; --quick takes few rounds and small frames, for a look.
int8: benchmarks/speed/int8.py; scores: benchmarks/science/.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # before numpy and torch read it
HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "speed"))

import encoders  # noqa: E402 - after the number of threads is set
import exactness  # noqa: E402
import extraction  # noqa: E402
import gpu  # noqa: E402
import peers  # noqa: E402
import plots  # noqa: E402
import report  # noqa: E402
import rows  # noqa: E402
import scaling  # noqa: E402

from shiftvae_rt.benchmark import describe_machine  # noqa: E402

PAGE = HERE.parent / "docs" / "reference" / "benchmarks.md"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--quick", action="store_true", help="few rounds, frames up to 1024 px, no peers, no page")
    parser.add_argument("--out", type=Path, help="JSON file (default: benchmarks/results/speed-CPU.json)")
    options = parser.parse_args()
    figures = measure(2 if options.quick else options.rounds, quick=options.quick)
    text = report.markdown_of(figures)
    print(text)
    if options.quick and options.out is None:
        return
    name = re.sub(r"[^a-z0-9]+", "-", str(figures["machine"]["cpu"]).lower()).strip("-")
    out = options.out or HERE / "results" / f"speed-{name}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(figures, indent=1) + "\n")
    if not options.quick:
        write_section(PAGE, text)
        plots.write_plots(figures, PAGE.with_name("speed.svg"))


def measure(rounds: int, *, quick: bool) -> dict[str, Any]:
    """All figures; progress on stderr."""
    figures: dict[str, Any] = {"machine": describe_machine()}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        say("limits of the machine")
        figures["limits"] = encoders.measure_limits(rounds)
        steps = {
            "kernels": lambda: extraction.measure_kernels(rounds // 2 + 1, (512,) if quick else (512, 1024, 2048)),
            "encoders": lambda: encoders.measure_encoders(folder, rounds, figures["limits"]),
            "rows": lambda: rows.measure_rows(folder, rounds),
            "exactness": lambda: exactness.measure_exactness(folder, rounds // 2 + 1),
            "first_layer": lambda: exactness.measure_first_layer(rounds // 2 + 1),
            "sizes": lambda: scaling.measure_sizes(folder, rounds // 2 + 1, 1024 if quick else 4096),
            "strides": lambda: scaling.measure_strides(folder, rounds // 2 + 1),
            "channels": lambda: scaling.measure_channels(folder, rounds),
            "threads": lambda: scaling.measure_threads(folder, rounds),
            "memory": lambda: scaling.measure_memory(folder, (512, 1024) if quick else (512, 2048, 4096)),
            "gpu": lambda: gpu.measure_gpu(folder, rounds),
            "peers": lambda: {"not_measured": "--quick"} if quick else peers.measure_peers(),
        }
        for step, job in steps.items():
            say(step)
            figures[step] = job()
    figures["machine"]["load_at_end"] = describe_machine()["load"]
    return figures


def write_section(page: Path, text: str) -> None:
    """Replace the section between the marks, or append it."""
    before = page.read_text() if page.exists() else "# Benchmarks\n"
    if report.START in before:
        head, rest = before.split(report.START)
        before, after = head.rstrip() + "\n\n", rest.split(report.END)[1].lstrip("\n")
        page.write_text(before + text + ("\n" + after if after else ""))
    else:
        page.write_text(before.rstrip() + "\n\n" + text)


def say(step: str) -> None:
    print(f"measuring: {step}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
