"""Latent to displacement: content latents converted to px and pm, compared with the truth and a column fit.

    python benchmarks/science/displacement.py --seeds 3 --doses 1 0.2

Trains on one simulated 512 x 512 frame (100 counts at an A peak at dose 1, cell of 24 px, 10 pm a px), maps the next at
stride 4, converts the content to the displacement of the B column with `explain`, and reads it at the B columns. The
column fit: isotropic Gaussians through B and its four A neighbours, at the best radius. The mean of both is subtracted,
because the zero of a displacement is arbitrary. Exits with 1 if a row exceeds 5 pm rms at dose 1, or 1.3 times the
error of the column fit.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
from scipy.ndimage import map_coordinates
from scipy.spatial import cKDTree
from tables import add_options, publish, show

from shiftvae_rt.frame import as_pixels
from shiftvae_rt.kernels.window_grid import WindowGrid
from shiftvae_rt.latent_map import LatentMap
from shiftvae_rt.simulator import Microscope
from shiftvae_training.fitting.settings import Settings
from shiftvae_training.model.column_fit import fit_columns
from shiftvae_training.report.meaning import explain
from shiftvae_training.train import train

STRIDE, PM, FIT_RADIUS = 4, 10.0, 7.0
ABOUT = """
The content of one model, converted to the displacement of the B column along x and read at the B columns, compared with
the truth: rms in pm at 10 pm per px, of single windows and averaged over the windows that share a pixel; and the same
for a least-squares column fit of the frame. Dose 1 is 100 counts at an A peak.
"""


def cells(columns: np.ndarray, vectors: np.ndarray, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A columns well inside the frame, and for each whole cell the indices of its four corners."""
    inner = columns[((columns > 12) & (columns < np.array(shape) - 13)).all(axis=1)]
    tree = cKDTree(inner)
    corners = np.array([(0, 0), (1, 0), (0, 1), (1, 1)]) @ vectors
    away, index = tree.query(inner[:, None] + corners)
    return inner, index[(away < 0.15 * np.hypot(*vectors.T).min()).all(axis=1)]


def column_fit(pixels: np.ndarray, inner: np.ndarray, corners: np.ndarray, start: np.ndarray) -> np.ndarray:
    image = pixels[None].astype(float)
    a = fit_columns(image, inner, FIT_RADIUS).centre[0]
    b = fit_columns(image, start, FIT_RADIUS).centre[0]
    return b[:, 1] - a[corners].mean(axis=1)[:, 1]


def score(seed: int, dose: float, encoder: str, steps: int) -> dict[str, float | str]:
    microscope = Microscope(seed=seed, dose=dose)
    trained = train([as_pixels(microscope.frame(0).pixels)], Settings(encoder=encoder, seed=seed, steps=steps))
    test = microscope.frame(1)
    frame = as_pixels(test.pixels).astype(np.float32)
    model = trained.model
    mean, std = model.map_frame(frame - frame.mean().round(), STRIDE)
    content = mean[2:].astype(float)
    varies = tuple(kl >= 0.1 for kl in trained.kl_nats[2:])
    meaning = explain(model, content.reshape(len(content), -1), varies, pixel_size_nm=PM / 1000)
    names = ("dy", "dx", *(f"z{i + 1}" for i in range(len(content))))
    grid = WindowGrid(test.pixels.shape, model.window, STRIDE)
    latent_map = LatentMap(mean, std, names, ("",) * len(names), (True,) * len(names), grid, "0" * 64)
    inner, corners = cells(test.columns_px, trained.lattice.vectors, test.pixels.shape)
    centre = inner[corners].mean(axis=1)
    truth = map_coordinates(test.displacement_px, centre.T, order=1)
    fitted = column_fit(test.pixels, inner, corners, centre + np.stack([0 * truth, truth], axis=1))
    moved = int(np.argmax(np.abs([column[1] for axis in meaning.axes[:1] for column in axis.changes.move_px])))
    first = (np.array(model.window) - 1) / 2
    one_window = map_coordinates(
        meaning.displacement_px(content)[moved, 1], ((centre - first) / STRIDE).T, order=1, mode="nearest"
    )
    averaged = map_coordinates(
        meaning.displacement_px(latent_map.on_pixels()[2:].astype(float))[moved, 1], centre.T, order=1
    )
    good = np.isfinite(fitted)

    def pm(estimate: np.ndarray) -> float:
        return round(PM * float(np.std((estimate - truth)[good])), 2)

    return {
        "encoder": encoder,
        "dose": dose,
        "seed": seed,
        "columns": int(good.sum()),
        "axis_pm_per_unit": round(PM * float(meaning.axes[0].changes.move_px[moved, 1]), 2),
        "one_window_pm": pm(one_window),
        "averaged_pm": pm(averaged),
        "column_fit_pm": pm(fitted),
        "ratio": round(pm(averaged) / pm(fitted), 2),
        "slope": round(float(np.polyfit(truth[good], averaged[good], 1)[0]), 3),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--doses", type=float, nargs="+", default=[1.0, 0.2])
    parser.add_argument("--encoders", nargs="+", default=["convolutional"])
    parser.add_argument("--steps", type=int, default=Settings().steps)
    add_options(parser)
    options = parser.parse_args()
    rows = []
    for encoder in options.encoders:
        for dose in options.doses[: 1 if options.quick else None]:
            for seed in range(1 if options.quick else options.seeds):
                rows.append(score(seed, dose, encoder, 500 if options.quick else options.steps))
                show(rows)
    good = [r["ratio"] <= 1.3 and (r["dose"] < 1 or r["averaged_pm"] <= 5) for r in rows]
    verdict = f"{sum(good)} of {len(rows)} within 1.3 times a column fit, and within 5 pm at dose 1."
    print(f"\n{verdict}")
    if options.write:
        publish("displacement", "Latent to displacement", about=ABOUT, rows=rows, verdict=verdict)
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
