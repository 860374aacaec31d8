"""Faint content: a dim column that hardly moves, at few counts, beside the limit of counting noise.

    python benchmarks/science/weak_signals.py [--quick] [--write] [--seeds 1] [--steps 1000]

Trains on one scan with automatic settings and reads it and the next one. Exits with 1 if a row misses the target.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from itertools import product

import numpy as np
from shot_noise_limit import bounds
from tables import add_options, publish, show

from shiftvae_rt.frame import as_pixels
from shiftvae_rt.simulator import Crystal, Microscope, SimulatedFrame
from shiftvae_training.finishing.evaluate import order_parameter_r2, score_shift
from shiftvae_training.fitting.settings import Settings
from shiftvae_training.guess.first_guess import make_first_guess
from shiftvae_training.train import Trained, train

SHARES, MOVES_PX, COUNTS, STRIDE = (0.25, 0.5), (0.4, 1.0), (25, 60, 150), 4
#: Largest distance from the limit.
OFF = 0.05
ABOUT = f"""
The standard scan with other B columns: *share*, their brightness as a share of A; *px*, their largest displacement;
*counts* at an A peak. Trained with automatic settings on one scan, scored on it (*training*) and on the next one (fresh
noise, the wall moved on), R2 by 25 neighbours in the content, in folds blocked in space. *Guess*: the first guess of
the next scan, under a Gaussian that sees more than a window. *Limit*: 1 minus the Cramer-Rao bound and the blur of the
chosen window over the variance, for known columns. Target: the limit minus {OFF}.
"""

Row = dict[str, float]


def score(share: float, move: float, counts: int, seed: int, steps: int) -> Row:
    """Train on a scan, and score it and the next one."""
    crystal = Crystal(peak_b=share * Crystal.peak_a, displacement_px=move)
    microscope = Microscope(seed=seed, crystal=crystal, dose=counts / (Crystal.peak_a + Crystal.background))
    here, there = microscope.frame(0), microscope.frame(1)
    trained = train([as_pixels(here.pixels)], Settings(seed=seed, steps=steps))
    model = trained.model
    seen, mean = (
        model.map_frame(as_pixels(frame.pixels).astype(np.float32), STRIDE)[0].astype(float) for frame in (here, there)
    )
    y, x = ((size - 1) / 2 + STRIDE * np.arange(n) for size, n in zip(model.window, mean.shape[1:], strict=True))
    places = np.ix_(np.rint(y).astype(int), np.rint(x).astype(int))
    truth = there.displacement_px[places]
    shift = score_shift(mean[:2], there.shift_px(y, x), trained.lattice.vectors)
    r2, linear = order_parameter_r2(mean[2:], truth)
    limit = bounds(microscope, model.window[0])["r2_noise_window"]
    return {
        "share": share,
        "px": move,
        "counts": counts,
        "seed": seed,
        "window": model.window[0],
        "training": round(order_parameter_r2(seen[2:], here.displacement_px[places])[0], 3),
        "R2": round(r2, 3),
        "linear": round(linear, 3),
        "guess": round(order_parameter_r2(guessed(trained, there, y, x), truth)[0], 3),
        "limit": round(limit, 3),
        "shift, px": round(max(shift.rms_px), 3),
        "cpu s": round(trained.seconds),
    }


def guessed(trained: Trained, frame: SimulatedFrame, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Content ``(m, rows, cols)`` of the first guess of a frame at windows centred at ``y (rows,), x (cols,)``."""
    model, pixels = trained.model, as_pixels(frame.pixels)
    guess = make_first_guess(
        [pixels / pixels.std()], trained.lattice, window=model.window, content=max(1, model.content)
    )
    rows, cols = (part.ravel() for part in np.meshgrid(y, x, indexing="ij"))
    return guess.targets_at(0, rows, cols)[1].T.reshape(-1, len(y), len(x))


def reached(row: Row) -> bool:
    """Tell whether a row reaches the target."""
    return row["R2"] >= row["limit"] - OFF


def cases(quick: bool, seeds: int) -> Iterator[tuple[float, float, int, int]]:
    """Share, displacement, counts and seed of each row."""
    yield from [(0.25, 1.0, 25, 0)] if quick else product(SHARES, MOVES_PX, COUNTS, range(seeds))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=Settings().steps)
    parser.add_argument("--seeds", type=int, default=1, help="number of seeds")
    add_options(parser)
    options = parser.parse_args()
    rows: list[Row] = []
    for case in cases(options.quick, options.seeds):
        rows.append(score(*case, steps=300 if options.quick else options.steps))
        show(rows)
    done = sum(map(reached, rows))
    if options.write:
        publish(
            "weak-signals", "Faint content", about=ABOUT, rows=rows, verdict=f"{done} of {len(rows)} reach the target."
        )
    return 0 if done == len(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
