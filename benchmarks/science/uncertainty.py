"""Uncertainty of position and content, as functions of the weights of their priors and the dose.

    python benchmarks/science/uncertainty.py [--quick] [--write]

Each row trains on one simulated 384 x 384 frame and maps the next at stride 4. The posterior deviation of the shift is
in px; that of the content is converted to px of the displacement by the slope of a linear fit to the truth.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
from tables import add_options, publish, show

from shiftvae_rt.frame import as_pixels
from shiftvae_rt.simulator import Microscope
from shiftvae_training.finishing.evaluate import score_shift
from shiftvae_training.fitting.settings import Settings
from shiftvae_training.train import train

STRIDE = 4
#: Weights of the KL divergences of shift and content, and counts at an A peak.
CASES = [(1, 1, 100), (0.1, 1, 100), (10, 1, 100), (1, 0.1, 100), (1, 10, 100), (1, 1, 20), (1, 1, 500)]
ABOUT = """
`sd`: posterior deviation, median over the windows, in px; of the content, in px of the displacement it represents. *As
trained* is the balance that the evidence lower bound gives; *as exported* is after calibration against known noise.
`error`: rms against the truth, with what neither prior nor noise explains (walls within a window, drift). On the torus
the prior of the shift is uniform over the cell, so the weight of its divergence takes the role that the width of the
shift prior has in the paper.
"""


def score(case: tuple[float, float, int], steps: int) -> dict[str, float]:
    kl_shift, kl_content, counts = case
    microscope = Microscope(shape=(384, 384), dose=counts / 100)
    settings = Settings(window=32, content=1, kl_shift=kl_shift, kl_content=kl_content, steps=steps)
    trained = train([as_pixels(microscope.frame(0).pixels)], settings)
    test = microscope.frame(1)
    frame = as_pixels(test.pixels).astype(np.float32)
    mean, sd = (part.astype(float) for part in trained.model.map_frame(frame - frame.mean(), STRIDE))
    y, x = (31 / 2 + STRIDE * np.arange(n) for n in mean.shape[1:])
    truth = test.displacement_px[np.ix_(np.rint(y).astype(int), np.rint(x).astype(int))]
    slope, start = np.polyfit(mean[2].ravel(), truth.ravel(), 1)
    shift = score_shift(mean[:2], test.shift_px(y, x), trained.lattice.vectors)
    factor = {c.latent: c.scale for c in trained.coverage}
    position = float(np.median(np.sqrt((sd[:2] ** 2).mean(axis=0))))
    shape = float(np.median(sd[2]) * abs(slope))
    return {
        "kl_shift": kl_shift,
        "kl_content": kl_content,
        "counts": counts,
        "shift_sd_as_trained": round(position / factor["shift"], 3),
        "as_exported": round(position, 3),
        "shift_error": round(float(np.sqrt(np.mean(np.square(shift.rms_px)))), 3),
        "content_sd_as_trained": round(shape / factor.get("z1", 1.0), 3),
        "as_exported_": round(shape, 3),
        "content_error": round(float(np.std(slope * mean[2] + start - truth)), 3),
        "content_nats": round(trained.kl_nats[2], 2),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=500)
    add_options(parser)
    options = parser.parse_args()
    rows = []
    for case in CASES[::3] if options.quick else CASES:
        rows.append(score(case, 400 if options.quick else options.steps))
        show(rows)
    if options.write:
        publish("uncertainty", "Uncertainty of position and of shape", about=ABOUT, rows=rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
