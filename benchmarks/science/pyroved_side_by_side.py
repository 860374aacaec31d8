"""pyroVED, from its own package and at its best setting, beside ours on the standard simulated scan.

    python benchmarks/science/pyroved_side_by_side.py centred random ours sweep --seeds 3 --minutes 25

`random`: pyroVED on random windows; `centred`: on windows around the true A columns, an easier task; `sweep`: short
runs that show the choice of its setting; `ours`: random windows, 30 s of CPU. Each run is kept in build/side_by_side as
it goes on, and is taken from there the next time; `report` alone writes what is there so far. CPU times are those of
training alone, one thread, in one process; pyroVED runs with glibc's malloc thresholds raised, which makes it faster.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE.parent))

from peer_environment import enter_environment  # noqa: E402 - found beside this folder

RUNS = ROOT / "build" / "side_by_side"
#: Memory given back to the system after every step costs pyroVED a third of its time.
MALLOC = {"MALLOC_MMAP_THRESHOLD_": str(2**25), "MALLOC_TRIM_THRESHOLD_": str(2**30)}
CENTRED_S, SWEEP_S = 150.0, 80.0
#: Settings that differ from the best in one thing, and the package's own.
SWEEP: dict[str, dict[str, Any]] = {
    "best": {},
    "sigma 0.2": {"sigma": 0.2},
    "bernoulli": {"likelihood": "bernoulli"},
    "continuous bernoulli": {"likelihood": "continuous_bernoulli"},
    "image min-max": {"scaling": "image min-max"},
    "window z-score, sigma 0.4": {"scaling": "window z-score", "sigma": 0.4},
    "prior 0.1": {"prior": 0.1},
    "batch 100": {"batch": 100},
    "rate 1e-3": {"rate": 1e-3},
    "library defaults": {
        "likelihood": "bernoulli", "scaling": "image min-max", "prior": 0.1, "batch": 100, "rate": 1e-3,
    },
}  # fmt: skip
#: Steps of ours that were tried; the last takes 30 s of CPU at most.
OURS_STEPS = (300, 600, 1200, 1800)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="+", choices=["random", "centred", "sweep", "ours", "report"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=25.0, help="CPU time of each run on random windows")
    parser.add_argument("--again", action="store_true", help="run what is there already")
    arguments = parser.parse_args()
    enter_environment(**MALLOC)
    RUNS.mkdir(parents=True, exist_ok=True)
    for part in arguments.parts:
        for name, rows in runs(part, arguments.seeds, arguments.minutes):
            path = RUNS / f"{name.replace(' ', '_').replace(',', '')}.json"
            if path.exists() and json.loads(path.read_text())["finished"] and not arguments.again:
                continue
            follow(path, rows)


def runs(part: str, seeds: int, minutes: float) -> Iterator[tuple[str, Iterator[dict[str, Any]]]]:
    """Name and rows, not yet begun, of each run of a part."""
    import pyroved_training as peer
    import standard_image

    best = peer.Options()
    if part == "sweep":
        for task in ("centred", "random"):
            for name, change in SWEEP.items():
                rows = peer.trained(task, 0, replace(best, **change), cpu_s=SWEEP_S, every_s=SWEEP_S)
                yield f"sweep {task} {name}", rows
        return
    for seed in range(seeds):
        if part == "random":
            yield f"random {seed}", peer.trained("random", seed, best, cpu_s=60 * minutes, every_s=50)
        elif part == "centred":
            yield f"centred {seed}", peer.trained("centred", seed, best, cpu_s=CENTRED_S, every_s=10)
        elif part == "ours":
            for steps in OURS_STEPS:
                yield f"ours {seed} {steps}", iter([standard_image.score(seed, "dilated", steps)])


def follow(path: Path, rows: Iterator[dict[str, Any]]) -> None:
    """Keep the rows of a run as they come."""
    kept: list[dict[str, Any]] = []
    for row in rows:
        kept.append(row)
        path.write_text(json.dumps({"finished": False, "rows": kept}, indent=1) + "\n")
        print(path.stem, row, flush=True)
    path.write_text(json.dumps({"finished": True, "rows": kept}, indent=1) + "\n")


if __name__ == "__main__":
    main()
