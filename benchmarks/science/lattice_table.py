"""Results of the lattice finder on known cells, random cells, frames without a lattice, and real scans.

Run ``python benchmarks/science/lattice_table.py [--random 200] [--data FOLDER]``; it prints Markdown tables. One core.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import numpy as np

from shiftvae_rt.files import read_frames
from shiftvae_rt.frame import as_pixels
from shiftvae_training.lattice.find import find_lattice
from shiftvae_training.lattice.local_period import local_period

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "training"))

from lattice_frames import MOTIFS, WITHOUT_PERIOD, cell, crystal, same_lattice, scanned, without_period  # noqa: E402

KNOWN = [  # name, vectors, frame px, motif, strain, counts
    ("square, 24.2 px", cell(24.2), 512, "one", 0.0, 100),
    ("perovskite A and B, 24.2 px", cell(24.2), 512, "perovskite", 0.015, 100),
    ("perovskite, faint B, 20 counts", cell(24.2), 512, "faint B", 0.0, 20),
    ("turned by 25 degrees, 6.5 x 6.6 px", cell(6.6, 6.5, 101.2, -27), 196, "one", 0.0, 100),
    ("oblique, 19 x 23 px, 76 degrees", cell(19, 23, 76, 33), 512, "one", 0.0, 100),
    ("hexagonal, 13 px, 20 counts", cell(13, angle=60, turn=17), 512, "one", 0.0, 20),
    ("honeycomb, 20 px, 20 counts", cell(20, angle=60, turn=7), 512, "honeycomb", 0.0, 20),
    ("period growing by 5 %", cell(20, turn=10), 512, "perovskite", 0.05, 100),
    ("3.3 px", cell(3.3, angle=80, turn=12), 256, "one", 0.0, 100),
    ("a quarter of the frame, 62 px", cell(62, 60, 85, 12), 256, "one", 0.0, 100),
    ("64 px frame, 15 px, 20 counts", cell(15.3, angle=80, turn=12), 64, "one", 0.0, 20),
    ("1024 px frame", cell(31, 27, 84, 8), 1024, "perovskite", 0.02, 100),
    ("2048 px frame", cell(31, 27, 84, 8), 2048, "perovskite", 0.02, 100),
]
REAL = [
    "BTO_crystal_1.dm4",
    "DMReader_Image_SI-Survey.dm3",
    "LLTO.jpg",
    "FigS6_0716__Cryo_NSMO110_5-1Mx_0p5us_1024px_REGISTERED.tif",
    "example_Se_implanted_MoS2.dm3",
    "STM_nanonis_generic_4_5.sxm",
    "stm_movie_lattice_114x196x196_int16.npy",
    "Grain_boundry_gold_512px.png",
    "TwinBoundary.emd",
    "G-GrainBoundary-4nm.hdf5",
]


def words(vectors):
    """Lengths and angle of lattice vectors in words."""
    if not len(vectors):
        return "none"
    lengths = " x ".join(f"{n:.2f}" for n in np.hypot(*vectors.T))
    angle = (
        ""
        if len(vectors) == 1
        else f", {np.degrees(np.arccos(vectors[0] @ vectors[1] / np.hypot(*vectors.T).prod())):.1f}"
    )
    return lengths + angle


def error_percent(found, true):
    """Largest relative error of a found vector, in per cent of its length, against the nearest true lattice vector."""
    gap = found - np.rint(found @ np.linalg.inv(true)) @ true
    return 100 * float((np.hypot(*gap.T) / np.hypot(*found.T)).max())


def known_cells():
    print("| case | expected px, degrees | found | error % | confidence | s |\n|---|---|---|---|---|---|")
    for name, vectors, n, motif, strain, counts in KNOWN:
        frame = scanned(crystal(vectors, (n, n), motif, strain=strain), np.random.default_rng(0), counts=counts)
        start = time.perf_counter()
        found = find_lattice([frame])
        seconds = time.perf_counter() - start
        true = vectors * (1 + strain / 2)
        error = (
            f"{error_percent(found.vectors, true):.2f}"
            if same_lattice(found.vectors, true, tolerance=0.05)
            else "WRONG"
        )
        print(f"| {name} | {words(true)} | {words(found.vectors)} | {error} | {found.confidence:.3f} | {seconds:.2f} |")


def random_frame(seed):
    """Frame with a random cell, motif, strain, dose and scan error, its true vectors, and a description."""
    rng = np.random.default_rng(seed)
    n = int(rng.choice([128, 256, 512]))
    motif = str(rng.choice(list(MOTIFS)))
    angle = 60.0 if motif == "honeycomb" else float(rng.choice([60, 90, rng.uniform(62, 118)]))
    period = float(np.exp(rng.uniform(np.log(8), np.log(n / 5))))
    vectors = cell(period, period if angle == 60 else period * rng.uniform(0.8, 1.25), angle, rng.uniform(0, 90))
    strain, counts = float(rng.choice([0, 0.02, 0.04])), float(rng.choice([20, 50, 100, 1000]))
    image = crystal(vectors, (n, n), motif, strain=strain, start=rng.uniform(size=2))
    frame = scanned(image, rng, counts=counts, lines=float(rng.choice([0, 0.05])), flyback=float(rng.choice([0, 2])))
    return (
        frame,
        vectors * (1 + strain / 2),
        f"{n} px, {motif}, {words(vectors)}, strain {strain:.0%}, {counts:.0f} counts",
    )


def random_cells(number):
    right, sure, errors = 0, 0, []
    for seed in range(number):
        frame, true, what = random_frame(seed)
        found = find_lattice([frame])
        if same_lattice(found.vectors, true, tolerance=0.03):
            right += 1
            sure += found.confidence > 0.9
            errors.append(error_percent(found.vectors, true))
        else:
            print(f"miss: {what}: {found.reason}")
    print(f"\n{right} of {number} cells right (3 %), {sure} with a confidence above 0.9; ", end="")
    print(f"error median {np.median(errors):.2f} %, 90th percentile {np.quantile(errors, 0.9):.2f} %")


def no_lattice(number):
    print("\n| without a lattice | frames | declined | highest confidence |\n|---|---|---|---|")
    for kind in WITHOUT_PERIOD:
        found = [
            find_lattice([without_period(kind, n, np.random.default_rng(s))])
            for n in (64, 128, 256)
            for s in range(number)
        ]
        declined = sum(lattice.verdict == "no period" for lattice in found)
        print(f"| {kind} | {len(found)} | {declined} | {max(lattice.confidence for lattice in found):.3f} |")


def real_scans(folder):
    print("\n| scan | verdict | vectors (y, x) px | variation % | confidence | reason |\n|---|---|---|---|---|---|")
    for name in REAL:
        if not (folder / name).exists():
            print(f"| {name} | skipped: not in {folder} | | | | |")
            continue
        frames = [as_pixels(f.pixels) for f in read_frames(folder / name, dimensions=2)]
        found = find_lattice(frames)
        variation = local_period(frames[:1], found).variation_percent if len(found.vectors) else []
        vectors = np.round(found.vectors, 2).tolist()
        varies = np.round(variation, 1)
        print(f"| {name} | {found.verdict} | {vectors} | {varies} | {found.confidence:.3f} | {found.reason} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--random", type=int, default=100, help="number of random cells")
    data = Path(os.environ.get("SHIFTVAE_DATA", ROOT.parent / "shared" / "data"))
    parser.add_argument("--data", type=Path, default=data, help="folder of the real scans")
    options = parser.parse_args()
    known_cells()
    random_cells(options.random)
    no_lattice(max(2, options.random // 20))
    real_scans(options.data)
