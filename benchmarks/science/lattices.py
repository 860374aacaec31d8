"""Order parameters on lattices of every kind, over window size and dose, compared with a least-squares column fit.

    python benchmarks/science/lattices.py [--quick] [--write] [--only hexagonal]

Each row trains on one simulated 384 x 384 frame (period 16 px, growing by 3 % over the frame; drift, flyback lag) and
maps the next at stride 4. The column fit: isotropic Gaussians through all columns at their known approximate positions,
each fitted after subtracting the others; for every window the mean over its B columns, or the nearest. Both maps are
scored by `order_parameter_r2`: 25 neighbours, folds blocked in space. Exits with 1 if the model is below 0.9 where the
fit reaches 0.95.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
from scenes import LATTICES, Scan, Scene
from scipy.spatial import cKDTree
from tables import add_options, publish, show, table

from shiftvae_rt.frame import as_pixels
from shiftvae_training.finishing.evaluate import order_parameter_r2, score_shift
from shiftvae_training.fitting.settings import Settings
from shiftvae_training.model.column_fit import fit_columns
from shiftvae_training.train import train

STRIDE, EDGE = 4, 6
TARGET, WHERE_FIT = 0.9, 0.95
#: Lattice, order parameter, window in periods, counts at an A peak.
CASES = [
    *[(lattice, order, 1.5, 100) for lattice in LATTICES for order in ("displacement", "intensity")],
    ("square", "tilt", 1.5, 100),
    ("hexagonal", "tilt", 1.5, 100),
    *[("hexagonal", "displacement", window, 100) for window in (1, 2, 3)],
    *[("honeycomb", "displacement", window, 100) for window in (1, 2, 3)],
    *[("oblique", "intensity", window, 100) for window in (1, 2, 3)],
    *[("hexagonal", "displacement", 1.5, counts) for counts in (20, 50, 300, 1000)],
    *[("honeycomb", "intensity", 1.5, counts) for counts in (20, 50, 300, 1000)],
    ("oblique", "displacement", 3, 20),
    ("square", "displacement", 1, 1000),
]
ABOUT = """
Two columns per cell of 16 px, which grows by 3 % over a 384 x 384 frame; drift and flyback lag. B is moved along x by
up to 0.08 periods, changes its brightness by up to 50 %, or all columns are doubled along x by a tilt. Trained on one
frame, scored on the next: R2 of the order parameter at the window's centre, from the content latents and from a
least-squares column fit averaged over the same windows, both by 25 neighbours in folds blocked in space. Trainings
have 1500 steps, half the default of `shiftvae train`; 800 steps were too few for low counts in windows of three
periods.
"""


def fitted(scan: Scan, scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """B columns ``(n, 2)`` px well inside the frame, and the order parameter ``(n,)`` of the column fit there."""
    vectors, place, _ = LATTICES[scene.lattice]
    limits = np.array(scan.pixels.shape) - 1 - EDGE
    a, b = (c[((c > EDGE) & (c < limits)).all(axis=1)] for c in (scan.columns_a_px, scan.columns_b_px))
    columns = fit_columns(scan.pixels[None].astype(float), np.concatenate([a, b]), 0.28 * scene.period_px, rounds=2)
    centre, height, width = columns.centre[0], columns.height[0], columns.width[0]
    corners = np.array([(0, 0), (1, 0), (0, 1), (1, 1)][: 4 if place == (0.5, 0.5) else 3]) - place
    away, near = cKDTree(a).query(b[:, None] + scene.period_px * corners @ vectors)
    whole = (away < 0.15 * scene.period_px).all(axis=1)
    near, mine = near[whole], np.arange(len(a), len(a) + len(b))[whole]
    found = {
        "displacement": centre[mine, 1] - centre[near, 1].mean(axis=1),
        "intensity": height[mine] / height[near].mean(axis=1),
        "tilt": width[near].mean(axis=1) + width[mine],
    }[scene.order]
    good = np.isfinite(found)
    return b[whole][good], found[good]


def over_windows(columns: np.ndarray, values: np.ndarray, y: np.ndarray, x: np.ndarray, window: int) -> np.ndarray:
    """Mean ``(rows, cols)`` of the values in each window; without a column in it, the value of the nearest."""
    in_rows, in_cols = (np.abs(c[:, None] - columns[:, axis]) <= window / 2 for axis, c in enumerate((y, x)))
    count = in_rows.astype(float) @ in_cols.T
    nearest = values[cKDTree(columns).query(np.stack(np.meshgrid(y, x, indexing="ij"), axis=-1))[1]]
    return np.where(count > 0, (in_rows * values) @ in_cols.T / np.maximum(count, 1), nearest)


def score(case: tuple[str, str, float, int], steps: int, seed: int = 0) -> dict[str, float | str]:
    lattice, order, periods, counts = case
    scene = Scene(lattice, order, counts=counts)
    window = 4 * round(periods * scene.period_px / 4)
    trained = train([as_pixels(scene.frame(0).pixels)], Settings(window=window, steps=steps, seed=seed))
    scan = scene.frame(1)
    frame = as_pixels(scan.pixels).astype(np.float32)
    mean = trained.model.map_frame(frame - frame.mean(), STRIDE)[0].astype(float)
    y, x = ((window - 1) / 2 + STRIDE * np.arange(n) for n in mean.shape[1:])
    truth = scan.order[np.ix_(np.rint(y).astype(int), np.rint(x).astype(int))]
    content = mean[2:][np.array(trained.kl_nats[2:]) >= 0.1]
    ours, linear = order_parameter_r2(content, truth)
    fit, _ = order_parameter_r2(over_windows(*fitted(scan, scene), y, x, window)[None], truth)
    shift = score_shift(mean[:2], scan.shift_px(y, x), trained.lattice.vectors)
    return {
        "lattice": lattice,
        "order_parameter": order,
        "window_in_periods": periods,
        "counts": counts,
        "r2": round(ours, 3),
        "linear_r2": round(linear, 3),
        "column_fit_r2": round(fit, 3),
        "shift_px": round(max(shift.rms_px), 3),
        "used_latents": len(content),
        "cpu_s": round(trained.seconds),
        "": "MISS" if ours < TARGET and fit >= WHERE_FIT else "",
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--only", choices=list(LATTICES))
    add_options(parser)
    options = parser.parse_args()
    cases = [case for case in CASES if options.only in (None, case[0])]
    rows = []
    for case in cases[::9] if options.quick else cases:
        rows.append(score(case, 600 if options.quick else options.steps))
        show(rows)
    counted = [row for row in rows if row["column_fit_r2"] >= WHERE_FIT]
    misses = [row for row in counted if row["r2"] < TARGET]
    verdict = (
        f"{len(counted) - len(misses)} of {len(counted)} reach R2 {TARGET} where the column fit reaches {WHERE_FIT}."
    )
    if misses:
        verdict += f" Every miss:\n\n{table(misses)}"
    print(f"\n{verdict}")
    if options.write:
        publish("lattices", "Lattices, windows and doses", about=ABOUT, rows=rows, verdict=verdict)
    return 1 if misses else 0


if __name__ == "__main__":
    sys.exit(main())
