"""Strain from the shift map, and by geometric phase analysis of the frame, compared with the true strain.

    python benchmarks/science/strain_table.py [--quick] [--write]

A crystal with a lamella stretched by 2 % along x and sheared by 1 %, and the lower half compressed by 1 % along y, at
512 x 512 px, 24 px a period. Trains on one frame, maps the next at stride 4. Both methods take the same reference, the
mean lattice found, and average over one period; scores are 40 px and more from the edges.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass

import numpy as np
from geometric_phase import Strain, strain_from_frame
from tables import add_options, publish, show

from shiftvae_rt.fields import MeanLattice
from shiftvae_rt.frame import as_pixels
from shiftvae_rt.kernels.lattice_fields import FieldStream
from shiftvae_rt.kernels.window_grid import WindowGrid
from shiftvae_rt.simulator import Crystal, Microscope
from shiftvae_training.fitting.settings import Settings
from shiftvae_training.train import train

STRIDE, MARGIN = 4, 40
STRETCH, SHEAR, SQUEEZE = 0.02, 0.01, -0.01
LAMELLA, HALF, EDGE = (180.0, 340.0), 300.0, 24.0
#: Name, displacement of the B columns px, dose.
CASES = [("strain alone", 0.0, 1.0), ("and B displaced by up to 2 px", 2.0, 1.0), ("the same, 20 counts", 2.0, 0.2)]
ABOUT = f"""
True strain: a lamella of {LAMELLA[1] - LAMELLA[0]:.0f} px, {STRETCH:.0%} along x and sheared by {SHEAR:.0%}; the lower
half {SQUEEZE:.0%} along y; edges of {EDGE:.0f} px half width. rms difference from the truth in units of 0.001, of the
strain from the shift map (*ours*) and by geometric phase analysis of the same frame (*GPA*), both averaged over one
period and against the mean lattice. `slope`: of exx against the truth. *Smoothing*: rms of what that average alone
takes from the true exx.
"""


@dataclass(frozen=True)
class StrainedCrystal(Crystal):
    """A crystal whose strain is known everywhere."""

    def strained(self, y: np.ndarray, x: np.ndarray, *, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:  # noqa: ARG002
        """Position to which the strain moves the point ``(y, x)`` of the perfect lattice."""
        band = _step(x - LAMELLA[0]) - _step(x - LAMELLA[1])
        return y + SHEAR * band + SQUEEZE * _step(y - HALF), x + STRETCH * band


def _step(r: np.ndarray) -> np.ndarray:
    """Integral of a smooth step at 0 from 0 to 1."""
    return 0.5 * EDGE * np.logaddexp(0, 2 * r / EDGE)


def strain_from_fields(grid: WindowGrid, vectors: np.ndarray, mean: np.ndarray, std: np.ndarray) -> Strain:
    """The fields of the shift map, in the units of the reference method."""
    fields = FieldStream(grid, MeanLattice(vectors.tolist())).push(mean[:2], std[:2])
    exx, eyy, exy = (fields[name] / 100 for name in ("exx", "eyy", "exy"))
    return Strain(exx, eyy, exy, np.radians(fields["rotation"]), grid.centre_y_px, grid.centre_x_px)


def true_strain(y: np.ndarray, x: np.ndarray, reference: np.ndarray, perfect: np.ndarray) -> Strain:
    """True strain at ``y (rows,)``, ``x (cols,)`` px, relative to the lattice `reference`, not `perfect`."""
    crystal, shape = StrainedCrystal(), (0, 0)
    at = np.stack(np.meshgrid(y, x, indexing="ij"))
    origin = at.copy()
    for _ in range(20):
        origin = at - (np.stack(crystal.strained(*origin, shape=shape)) - origin)
    ahead = [(np.stack(crystal.strained(*(origin + d), shape=shape))) for d in _nudges(1e-3)]
    behind = [(np.stack(crystal.strained(*(origin - d), shape=shape))) for d in _nudges(1e-3)]
    stretch = np.stack([(a - b) / 2e-3 for a, b in zip(ahead, behind, strict=True)], axis=1)  # d place_i / d origin_j
    same_cell = np.rint(reference @ np.linalg.inv(perfect)) @ perfect
    to_reference = (np.linalg.inv(same_cell) @ reference).T
    undo = to_reference @ np.linalg.inv(np.moveaxis(stretch, (0, 1), (-2, -1)))
    (yy, yx), (xy, xx) = np.moveaxis(np.eye(2) - undo, (-2, -1), (0, 1))
    return Strain(xx, yy, (xy + yx) / 2, (yx - xy) / 2, y, x)


def _nudges(step: float) -> list[np.ndarray]:
    return [step * np.eye(2)[axis][:, None, None] for axis in (0, 1)]


def inner(strain: Strain, shape: tuple[int, ...]) -> tuple[slice, ...]:
    """Part of a map at least `MARGIN` px from the edges of the frame."""
    both = zip((strain.centre_y_px, strain.centre_x_px), shape, strict=True)
    return tuple(slice(*np.searchsorted(c, (MARGIN, n - MARGIN))) for c, n in both)


def score(case: tuple[str, float, float], steps: int) -> dict[str, float | str]:
    name, displacement, dose = case
    crystal = StrainedCrystal(displacement_px=displacement)
    microscope = Microscope(crystal=crystal, drift_px=(0, 0), flyback_px=0, dose=dose)
    trained = train([as_pixels(microscope.frame(0).pixels)], Settings(window=32, content=2, steps=steps))
    test, model = microscope.frame(1), trained.model
    frame = as_pixels(test.pixels).astype(np.float32)
    mean, std = model.map_frame(frame - frame.mean(), STRIDE)
    grid = WindowGrid(test.pixels.shape, model.window, STRIDE)
    vectors = trained.lattice.vectors
    row: dict[str, float | str] = {"case": name}
    found = {
        "ours": strain_from_fields(grid, vectors, mean, std),
        "GPA": strain_from_frame(test.pixels, trained.lattice),
    }
    perfect = np.array(crystal.vectors)
    slopes = {}
    for method, strain in found.items():
        truth = true_strain(strain.centre_y_px, strain.centre_x_px, vectors, perfect)
        inside = inner(strain, test.pixels.shape)
        for part in ("exx", "eyy", "exy", "rotation"):
            error = (getattr(strain, part) - getattr(truth, part))[inside]
            row[f"{part}_{method}"] = round(1000 * float(np.sqrt((error**2).mean())), 2)
        slopes[method] = np.polyfit(truth.exx[inside].ravel(), strain.exx[inside].ravel(), 1)[0]
    row = {"case": name} | {k: row[k] for p in ("exx", "eyy", "exy", "rotation") for k in (f"{p}_ours", f"{p}_GPA")}
    row |= {f"slope_{method}": round(float(slope), 3) for method, slope in slopes.items()}
    return row | {"smoothing": round(smoothing_loss(vectors, perfect), 2)}


def smoothing_loss(vectors: np.ndarray, perfect: np.ndarray) -> float:
    """Rms change, in 0.001, of the true exx along a line across the lamella from averaging over one period."""
    x = np.arange(0.0, 512.0)
    exx = true_strain(np.array([100.0, 101.0]), x, vectors, perfect).exx[0]
    weight = np.exp(-0.5 * (x[:, None] - x) ** 2 / np.hypot(*vectors.T).max() ** 2)
    smooth = weight @ exx / weight.sum(axis=1)
    return 1000 * float(np.sqrt(((smooth - exx)[MARGIN:-MARGIN] ** 2).mean()))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1200)
    add_options(parser)
    options = parser.parse_args()
    rows = []
    for case in CASES[1:2] if options.quick else CASES:
        rows.append(score(case, 400 if options.quick else options.steps))
        show(rows)
    if options.write:
        publish("strain", "Strain maps", about=ABOUT, rows=rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
