"""Limit of any method on the standard scan, set by counting noise and the size of the window.

    python benchmarks/science/shot_noise_limit.py --windows 24 32 40 48

For every window of the scored frame at stride 4, the Cramer-Rao bound of the displacement of its B columns, for Poisson
counts of known columns with unknown position, contrast and background. In addition the error of the window itself: its
columns are not at its centre, and near the wall their displacement differs. *Plain* is the same for least squares
without Poisson weights, to which a Gaussian likelihood is equivalent. R2 = 1 - error^2 / variance.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, fields, replace

import numpy as np
from scipy.ndimage import uniform_filter
from tables import add_options, publish, show

from shiftvae_rt.simulator import Array, Crystal, Microscope

STRIDE, STEP_PX, FRAME = 4, 0.05, 1
ABOUT = """
Rms error of the displacement of a window's B columns, and the R2 to which it limits any method. *Noise*: the
Cramer-Rao bound for Poisson counts of known columns with unknown position, contrast and background; *plain noise*:
least squares without Poisson weights, to which a Gaussian likelihood is equivalent; *window*: the columns are not at
the centre of the window, and near the wall their displacement differs.
"""


@dataclass(frozen=True)
class Moved(Crystal):
    """Crystal with all B columns displaced by a further `further_px`."""

    further_px: float = 0.0

    def displacement(self, y: Array, x: Array, *, shape: tuple[int, int], wall_x_px: float) -> Array:
        return super().displacement(y, x, shape=shape, wall_x_px=wall_x_px) + self.further_px


def bounds(microscope: Microscope, window: int) -> dict[str, float]:
    """Rms errors in px for the microscope's own crystal, and the R2 to which they limit any method."""
    counts = microscope.expected_counts(FRAME)
    crystal = {part.name: getattr(microscope.crystal, part.name) for part in fields(Crystal)}
    moved = (Moved(**crystal, further_px=sign * STEP_PX) for sign in (1, -1))
    there, back = (replace(microscope, crystal=each).expected_counts(FRAME) for each in moved)
    along_b = (there - back) / (2 * STEP_PX)
    slopes = np.stack([along_b, *np.gradient(counts), counts, np.ones_like(counts)])
    truth = microscope.frame(FRAME).displacement_px
    first = window // 2
    rows, cols = (np.arange(first, n - first + 1, STRIDE) for n in counts.shape)

    def over_windows(image: Array) -> Array:
        # uniform_filter centres an even window half a px before its middle: at index i it covers i - w/2 .. i + w/2 - 1
        return window**2 * uniform_filter(image, window, mode="constant")[np.ix_(rows, cols)]

    def matrix(weight: Array) -> Array:
        parts = [[over_windows(a * b * weight) for b in slopes] for a in slopes]
        return np.moveaxis(np.array(parts), (0, 1), (-2, -1))

    inverse = np.linalg.inv(matrix(1 / counts))
    plain = np.linalg.inv(matrix(np.ones_like(counts)))
    plain = plain @ matrix(counts) @ plain
    weight = along_b**2 / counts
    at_columns = over_windows(truth * weight) / over_windows(weight)
    centre = truth[np.ix_(rows, cols)]
    blur = float(np.mean((at_columns - centre) ** 2))
    noise, unweighted = float(inverse[..., 0, 0].mean()), float(plain[..., 0, 0].mean())
    variance = float(centre.var())
    return {
        "window": window,
        "noise_px": round(noise**0.5, 4),
        "plain_noise_px": round(unweighted**0.5, 4),
        "window_px": round(blur**0.5, 4),
        "r2_noise": round(1 - noise / variance, 4),
        "r2_noise_window": round(1 - (noise + blur) / variance, 4),
        "r2_plain_window": round(1 - (unweighted + blur) / variance, 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    parser.add_argument("--windows", type=int, nargs="+", default=[24, 32, 40, 48])
    options = parser.parse_args()
    rows: list[dict[str, float]] = []
    for window in options.windows[: 1 if options.quick else None]:
        rows.append(bounds(Microscope(), window))
        show(rows)
    if options.write:
        publish("shot-noise-limit", "How well any method could do on the standard scan", about=ABOUT, rows=rows)


if __name__ == "__main__":
    main()
