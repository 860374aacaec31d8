"""Scores of the standard simulated scan over several seeds, through the exported model file.

    python benchmarks/science/standard_image.py --seeds 5 --encoders dilated mlp

One thread. Trains on one 512 x 512 frame, maps the next (fresh noise, moved wall) at stride 4 by `LatentMapper`.
Prints a Markdown table and writes JSON; exits with 1 if a seed misses the floors given by --min-r2 and --max-shift.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np

from shiftvae_rt import LatentMapper
from shiftvae_rt.frame import as_pixels
from shiftvae_rt.simulator import Microscope
from shiftvae_training.evaluate import order_parameter_r2, score_shift
from shiftvae_training.export import export_model
from shiftvae_training.train import Settings, train


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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--encoders", nargs="+", default=["dilated"])
    parser.add_argument("--steps", type=int, default=Settings().steps)
    parser.add_argument("--min-r2", type=float, default=0.95)
    parser.add_argument("--max-shift", type=float, default=0.3)
    parser.add_argument("--json", type=Path, help="also write the rows here")
    arguments = parser.parse_args()
    rows = []
    for encoder in arguments.encoders:
        for seed in range(arguments.seeds):
            row = {"encoder": encoder, **score(seed, encoder, arguments.steps)}
            if not rows:
                print("| " + " | ".join(row) + " |\n|" + "---|" * len(row))
            print(
                "| "
                + " | ".join(f"{v:.1e}" if isinstance(v, float) and 0 < v < 1e-3 else str(v) for v in row.values())
                + " |",
                flush=True,
            )
            rows.append(row)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")
    good = [r["r2"] >= arguments.min_r2 and max(r["shift_y_px"], r["shift_x_px"]) <= arguments.max_shift for r in rows]
    print(f"\n{sum(good)} of {len(rows)} reach R2 >= {arguments.min_r2} and a shift error <= {arguments.max_shift} px")
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
