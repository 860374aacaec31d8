"""Lattices accepted and declined by the lattice finder: scenes with a lattice that is hard to see, and without one.

    python benchmarks/science/evidence.py [--quick] [--write] [--only vacuum] [--first-seed 200]

Each scene is drawn with three seeds. A result is right if the cell is within 2 % of the true one (reduced bases are
compared), or if a frame without a lattice is declined; with fewer than four periods per side both are right. Only
`find_lattice` runs, no training. Exits with 1 if fewer than 95 % are right, or a wrong cell has a confidence of 0.9 or
more.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
from evidence_scenes import SCENES, Scene
from lattice_frames import same_lattice
from tables import add_options, publish, show

from shiftvae_training.lattice.find import Lattice, find_lattice

TOLERANCE, SURE, TARGET = 0.02, 0.9, 0.95
ABOUT = """
Accept or decline: scenes whose lattice is hard to see, and frames that only appear to have one. Each is drawn with
three seeds (noise, origin, rotation) and given to `find_lattice` alone. *Right* is the cell of the scene, to 2 %
between reduced bases, or "none"; below four periods per side a refusal is as right as the cell. *Confidence* is the
highest of a wrong cell, or the lowest of the right ones if all are right; of refusals it is the highest.
"""


def judge(scene: Scene, found: Lattice) -> bool:
    """Tell whether the cell, or the refusal, is right."""
    if not len(found.vectors):
        return scene.refusal or not scene.right
    return any(same_lattice(found.vectors, right, tolerance=TOLERANCE) for right in scene.right)


def words(vectors: np.ndarray) -> str:
    return " x ".join(f"{length:.1f}" for length in np.hypot(*np.asarray(vectors).T)) if len(vectors) else "none"


def score(name: str, seeds: range) -> dict[str, object]:
    scenes = [SCENES[name](seed) for seed in seeds]
    found = [find_lattice([scene.frame]) for scene in scenes]
    right = [judge(scene, lattice) for scene, lattice in zip(scenes, found, strict=True)]
    cells = [words(right) for right in scenes[0].right] or ["none"]
    wrong = [f.confidence for f, good in zip(found, right, strict=True) if not good and len(f.vectors)]
    confidence = max(wrong) if wrong else (min if scenes[0].right else max)(f.confidence for f in found)
    return {
        "scene": name,
        "right": " or ".join(cells + ["none"] * scenes[0].refusal),
        "found": ", ".join(dict.fromkeys(words(f.vectors) for f in found)),
        "confidence": round(confidence, 3),
        "verdict": f"{sum(right)} of {len(right)}",
        "": "" if all(right) else "SURE AND WRONG" if max(wrong, default=0) >= SURE else "MISS",
        "reasons": [f.reason for f in found],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="scenes whose name holds this")
    parser.add_argument("--reasons", action="store_true", help="print what the finder said, too")
    parser.add_argument("--first-seed", type=int, default=0, help="another draw than the published one (default 0)")
    add_options(parser)
    options = parser.parse_args()
    count, details = 1 if options.quick else 3, []
    seeds = range(options.first_seed, options.first_seed + count)
    for name in SCENES:
        if options.only in name:
            details.append(score(name, seeds))
            show([{key: value for key, value in row.items() if key != "reasons"} for row in details])
            if options.reasons:
                print("\n".join(f"    {reason}" for reason in details[-1]["reasons"]))
    right = sum(int(str(row["verdict"]).split()[0]) for row in details)
    sure = sum(row[""] == "SURE AND WRONG" for row in details)
    share = right / (count * len(details))
    verdict = f"{right} of {count * len(details)} right ({share:.1%}); wrong and sure (confidence >= {SURE}): {sure}."
    print(f"\n{verdict}")
    if options.write:
        rows = [{key: value for key, value in row.items() if key != "reasons"} for row in details]
        publish("evidence", "Lattices accepted and declined", about=ABOUT, rows=rows, details=details, verdict=verdict)
    return 1 if share < TARGET or sure else 0


if __name__ == "__main__":
    sys.exit(main())
