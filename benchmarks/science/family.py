"""Every member of the model family on generated scans whose truth is known, through the exported model file.

python benchmarks/science/family.py
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tables import add_options, publish, show

from shiftvae_rt import LatentMapper
from shiftvae_rt.frame import as_pixels
from shiftvae_rt.simulator import Crystal, Microscope
from shiftvae_training.export import export_model
from shiftvae_training.finishing.evaluate import order_parameter_r2, score_shift
from shiftvae_training.fitting.settings import Settings
from shiftvae_training.train import Trained, train

CRYSTAL = Crystal(
    vectors=((16.0, 0.0), (0.0, 16.0)), sigma_a_px=2.0, sigma_b_px=1.9, displacement_px=1.4, wall_width_px=16.0
)
OTHER = replace(CRYSTAL, peak_a=60.0, sigma_a_px=2.6, peak_b=60.0, sigma_b_px=1.5)
SCAN = Microscope(CRYSTAL, shape=(384, 384))
STEPS = 1500

Row = dict[str, Any]


def exported(trained: Trained, frames: list[np.ndarray], *, stride: int) -> LatentMapper:
    """Mapper of the model, through its file."""
    with tempfile.TemporaryDirectory() as folder:
        export_model(Path(folder) / "m.svae", trained, frames, sources=(), pixel_size_nm=None)
        return LatentMapper(Path(folder) / "m.svae", stride=stride)


def on_crystals(name: str, microscopes: list[Microscope], settings: Settings) -> Row:
    """Train on one frame of each microscope; scores of the next frame of each, with pooled content."""
    frames = [as_pixels(m.frame(0).pixels) for m in microscopes]
    trained = train(frames, settings)
    mapper = exported(trained, frames, stride=4)
    content, order, errors = [], [], []
    for microscope in microscopes:
        test = microscope.frame(1)
        found = mapper.map(test.pixels)
        y, x = found.centre_y_px, found.centre_x_px
        order.append(test.displacement_px[np.ix_(np.rint(y).astype(int), np.rint(x).astype(int))])
        content.append(found.mean[[i for i, n in enumerate(found.names) if n[0] == "z" and found.varies[i]]])
        errors.append(score_shift(found.mean[:2].astype(float), test.shift_px(y, x), trained.lattice.vectors).rms_px)
    values = np.concatenate(content, axis=1).astype(float)
    r2, linear = order_parameter_r2(values, np.concatenate(order))
    return {
        "member": name,
        "cpu s": round(trained.seconds, 1),
        "R2": round(r2, 3),
        "linear R2": round(linear, 3),
        "shift error px": " ".join(f"{e:.2f}" for e in np.max(errors, axis=0)),
        "used": len(values),
        "of": trained.model.content,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)
    options = parser.parse_args()
    torch.set_num_threads(1)
    plain = Settings(steps=200 if options.quick else STEPS, window=24, content=2)
    low = replace(SCAN, dose=0.1)
    both = [SCAN, replace(SCAN, crystal=OTHER, seed=1)]
    crystals: dict[str, tuple[list[Microscope], dict[str, Any]]] = {
        "shift": ([SCAN], {}),
        "coordinate decoder": ([SCAN], {"decoder": "coordinate"}),
        "Bernoulli": ([SCAN], {"likelihood": "bernoulli"}),
        "Bernoulli, content divergence x 0.1": ([SCAN], {"likelihood": "bernoulli", "kl_content": 0.1}),
        "Gaussian, 10 counts": ([low], {}),
        "Poisson, 10 counts": ([low], {"likelihood": "poisson"}),
        "two motifs": (both, {}),
        "two motifs, classes told": (both, {"classes": ("one", "other")}),
        "1 content latent": ([SCAN], {"content": 1}),
        "8 content latents": ([SCAN], {"content": 8}),
    }
    rows = _rows(crystals, lambda name, what: on_crystals(name, what[0], replace(plain, **what[1])))
    if options.write:
        publish("family", "The model family on a lattice", about=ABOUT, rows=rows)
    return 0


def _rows(members: dict[str, Any], score: Callable[[str, Any], Row]) -> list[Row]:
    rows: list[Row] = []
    for name, what in members.items():
        rows.append(score(name, what))
        show(rows)
    return rows


ABOUT = """\
`benchmarks/science/family.py`: the standard crystal at two thirds of its size (period 16 px, 384 x 384 px, 100 counts
at an A peak), window 24 px, 1500 steps, one seed; scores of the next frame as above. *Two motifs*
are one frame of this crystal and one of a crystal with other columns, with pooled content: one model describes both."""


if __name__ == "__main__":
    raise SystemExit(main())
