"""Coverage of the model's intervals: how often the truth of a simulated scan lies within them, at four doses.

    python benchmarks/science/coverage.py --write

One thread. Trains on one simulated frame for each dose; the next frames are mapped by `LatentMapper`. Exits with 1 if
an interval of 68 % misses 68 by more than 4 %, or one of 95 % misses 95 by more than 3 %.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from sklearn.isotonic import IsotonicRegression
from tables import add_options, publish, show

from shiftvae_rt import LatentMapper
from shiftvae_rt.encode.modulo import modulo_lattice
from shiftvae_rt.frame import as_pixels
from shiftvae_rt.simulator import Microscope
from shiftvae_training.export import export_model
from shiftvae_training.fitting.settings import Settings
from shiftvae_training.train import train

ABOUT = """
The standard scan at four doses (counts at an A peak), trained on frame 0; the next three frames are mapped at stride
4, all windows counted. The *shift* is compared with the vector from the window's centre to the nearest A column,
modulo the lattice, after the best global offset, so that the choice of the anchor does not matter. The *content*
latent that follows the displacement best is compared with its mean at the true displacement of the window's centre, by
isotonic regression over all windows: a latent has no unit, so the test is whether windows of the same truth scatter as
the deviations predict. *Linear* is the coverage after the best linear fit instead, which counts its curvature as an
error. *sd* and *error* are medians (of the absolute error / 0.6745), in px and in units of the latent.
"""
DOSES = {20: 0.2, 50: 0.5, 100: 1.0, 1000: 10.0}
TARGETS = ((0.68, 0.04), (0.95, 0.03))


def covered(scores: np.ndarray) -> tuple[float, float]:
    """Shares of scores within one and 1.96 standard deviations (68 % and 95 %)."""
    return float((np.abs(scores) < 1).mean()), float((np.abs(scores) < 1.96).mean())


def score(counts: int, steps: int, seed: int) -> list[dict[str, object]]:
    microscope = Microscope(seed=seed, dose=DOSES[counts])
    frames = [as_pixels(microscope.frame(0).pixels)]
    trained = train(frames, Settings(steps=steps, seed=seed))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.svae"
        export_model(path, trained, frames, sources=(), pixel_size_nm=microscope.pixel_size_nm)
        mapper = LatentMapper(path, stride=4)
    lattice = mapper.model.manifest.lattice
    off, std, content, order = [], [], [], []
    for index in (1, 2, 3):
        frame = microscope.frame(index)
        found = mapper.map(frame.pixels)
        y, x = found.centre_y_px, found.centre_x_px
        off.append(found.mean[:2].astype(float) - frame.shift_px(y, x))
        std.append(found.std.astype(float))
        content.append(found.mean[2:].astype(float))
        order.append(frame.displacement_px[np.ix_(np.rint(y).astype(int), np.rint(x).astype(int))])
    deviations, latents = (np.stack(part, axis=1) for part in (std, content))
    truth = np.stack(order).ravel()
    return [
        _shift_row(counts, np.stack(off, axis=1), deviations[:2], lattice),
        _content_row(counts, latents.reshape(len(latents), -1), deviations[2:].reshape(len(latents), -1), truth),
    ]


def _shift_row(counts: int, off: np.ndarray, std: np.ndarray, lattice) -> dict[str, object]:
    error = modulo_lattice(off, lattice)
    error = modulo_lattice(error - np.median(error, axis=(1, 2, 3), keepdims=True), lattice)
    return _row(counts, "shift, px", error, std, "")


def _content_row(counts: int, latents: np.ndarray, std: np.ndarray, truth: np.ndarray) -> dict[str, object]:
    best = int(np.argmax([abs(np.corrcoef(latent, truth)[0, 1]) for latent in latents]))
    latent, deviation = latents[best], std[best]
    curve = IsotonicRegression(increasing="auto").fit(truth, latent)
    slope, offset = np.polyfit(latent, truth, 1)
    linear = covered((slope * latent + offset - truth) / (abs(slope) * deviation))
    words = f"{100 * linear[0]:.0f} / {100 * linear[1]:.0f}"
    return _row(counts, f"content, z{best + 1}", latent - curve.predict(truth), deviation, words)


def _row(counts: int, what: str, error: np.ndarray, std: np.ndarray, linear: str) -> dict[str, object]:
    shares = covered(error / std)
    return {
        "counts": counts,
        "latent": what,
        "within_68_%": round(100 * shares[0], 1),
        "within_95_%": round(100 * shares[1], 1),
        "sd": round(float(np.median(std)), 4),
        "error": round(float(np.median(np.abs(error)) / 0.6745), 4),
        "linear": linear,
        "meets_target": all(abs(share - target) <= most for share, (target, most) in zip(shares, TARGETS, strict=True)),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", nargs="+", type=int, choices=DOSES, default=list(DOSES))
    parser.add_argument("--steps", type=int, default=Settings().steps)
    parser.add_argument("--seed", type=int, default=0)
    add_options(parser)
    options = parser.parse_args()
    rows: list[dict[str, object]] = []
    for counts in options.counts[-1:] if options.quick else options.counts:
        for row in score(counts, 500 if options.quick else options.steps, options.seed):
            rows.append(row)
            show(rows)
    good = sum(bool(row["meets_target"]) for row in rows)
    verdict = f"{good} of {len(rows)} within 68 +- 4 and 95 +- 3 %, after {options.steps} steps of training."
    print(f"\n{verdict}")
    if options.write:
        publish("coverage", "Coverage of the intervals", about=ABOUT, rows=rows, verdict=verdict)
    return 0 if good == len(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
