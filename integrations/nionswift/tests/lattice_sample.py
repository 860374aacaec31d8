"""A perovskite-like lattice with a domain wall, as a sample for Swift's simulated microscope."""

from __future__ import annotations

import numpy as np

A_NM = 0.39
#: Radii of the columns, and the largest displacement of B, nm.
WIDE_NM, NARROW_NM, MOST_NM = 0.048, 0.045, 0.035


def scan(size: tuple[int, int], field_nm: tuple[float, float], *, centre_nm=(0.0, 0.0), seed: int = 0) -> np.ndarray:
    """Counts ``(height, width)`` of a scan of `field_nm` ``(y, x)`` around `centre_nm`."""
    y, x = (
        (np.arange(count) - count / 2) * extent / count + centre
        for count, extent, centre in zip(size, field_nm, centre_nm, strict=True)
    )
    y, x = y[:, None], x[None]
    displacement = MOST_NM * np.tanh((x - 0.4 - 0.3 * y) / 0.45)

    def column(dy: float, dx: np.ndarray | float, radius: float) -> np.ndarray:
        away = [(place / A_NM - np.rint(place / A_NM)) * A_NM for place in (y - dy, x - dx)]
        return np.exp(-(away[0] ** 2 + away[1] ** 2) / (2 * radius**2))

    mean = 10 + 90 * column(0, 0, WIDE_NM) + 45 * column(A_NM / 2, A_NM / 2 + displacement, NARROW_NM)
    return np.random.default_rng(seed).poisson(mean).astype(np.float32)
