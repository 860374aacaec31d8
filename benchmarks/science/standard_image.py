"""Scores of the standard simulated scan over several seeds, through the exported model file.

    python benchmarks/science/standard_image.py --seeds 5 --encoders dilated mlp --write

One thread. Trains on one 512 x 512 frame, maps the next (fresh noise, moved wall) at stride 4 by `LatentMapper`.
Exits with 1 if a seed misses the floors given by --min-r2 and --max-shift.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from tables import add_options, publish, show

from shiftvae_rt import LatentMapper
from shiftvae_rt.frame import as_pixels
from shiftvae_rt.simulator import Microscope
from shiftvae_training.evaluate import order_parameter_r2, score_shift
from shiftvae_training.export import export_model
from shiftvae_training.train import Settings, train

ABOUT = """
Trains on one simulated 512 x 512 frame (perovskite-like lattice of 24 px growing by 1.5 %, B columns displaced by up
to 2 px with a slanted domain wall and a gradient, 15 % shading, drift, flyback lag, 100 counts at an A peak), and
scores the next frame (fresh noise, the wall moved on) through the exported model file at stride 4, window 32 px. `R2`
is that of the true displacement at the window's centre from the content latents alone, by 25 neighbours, in folds
blocked in space; *linear* by a linear fit. The shift error is rms, modulo the lattice, after the best global offset.
"""


def score(seed: int, encoder: str, steps: int) -> dict[str, float]:
    """Train and score one seed."""
    microscope = Microscope(seed=seed)
    frames = [as_pixels(microscope.frame(0).pixels)]
    trained = train(frames, Settings(encoder=encoder, seed=seed, steps=steps))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.svae"
        parity = export_model(path, trained, frames, sources=(), pixel_size_nm=microscope.pixel_size_nm)
        mapper = LatentMapper(path, stride=4)
    test = microscope.frame(1)
    found = mapper.map(test.pixels)
    y, x = found.centre_y_px, found.centre_x_px
    order = test.displacement_px[np.ix_(np.rint(y).astype(int), np.rint(x).astype(int))]
    content = [i for i in range(2, len(found.names)) if found.varies[i]]
    r2, linear = order_parameter_r2(found.mean[content].astype(float), order) if content else (0.0, 0.0)
    shift = score_shift(found.mean[:2].astype(float), test.shift_px(y, x), trained.lattice.vectors)
    return {
        "seed": seed,
        "cpu_s": round(trained.seconds, 1),
        "steps": trained.history[-1].step,
        "r2": round(r2, 4),
        "linear_r2": round(linear, 4),
        "circ_y": round(shift.circ[0], 4),
        "circ_x": round(shift.circ[1], 4),
        "shift_y_px": round(shift.rms_px[0], 3),
        "shift_x_px": round(shift.rms_px[1], 3),
        "used_latents": len(content),
        "onnx_vs_torch": parity.against_torch,
        "dense_vs_windows": parity.against_windows,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--encoders", nargs="+", default=["dilated", "mlp"])
    parser.add_argument("--steps", type=int, default=Settings().steps)
    parser.add_argument("--min-r2", type=float, default=0.95)
    parser.add_argument("--max-shift", type=float, default=0.3)
    add_options(parser)
    options = parser.parse_args()
    rows = []
    for encoder in options.encoders:
        for seed in range(1 if options.quick else options.seeds):
            rows.append({"encoder": encoder, **score(seed, encoder, 300 if options.quick else options.steps)})
            show(rows)
    good = [r["r2"] >= options.min_r2 and max(r["shift_y_px"], r["shift_x_px"]) <= options.max_shift for r in rows]
    verdict = f"{sum(good)} of {len(rows)} reach R2 >= {options.min_r2} and a shift error <= {options.max_shift} px."
    print(f"\n{verdict}")
    if options.write:
        publish("standard-image", "The standard scan", about=ABOUT, rows=rows, verdict=verdict)
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
