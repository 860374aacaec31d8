"""Synthetic frames with a known lattice, or with none, for the tests and the table of the lattice finder."""

from __future__ import annotations

import numpy as np

#: Motifs: columns as (fraction along a1, fraction along a2, height, width in units of the shorter period).
MOTIFS = {
    "one": [(0.0, 0.0, 1.0, 0.15)],
    "perovskite": [(0.0, 0.0, 1.0, 0.14), (0.5, 0.57, 0.55, 0.12)],
    "faint B": [(0.0, 0.0, 1.0, 0.14), (0.5, 0.5, 0.8, 0.14)],
    "honeycomb": [(1 / 3, 1 / 3, 1.0, 0.14), (2 / 3, 2 / 3, 1.0, 0.14)],
    "wave": [(0.0, 0.0, 1.0, 0.35)],
}


def cell(a, b=None, angle=90.0, turn=0.0):
    """Rows: lattice vectors (y, x) of lengths a and b px at an angle, turned by `turn` degrees."""
    b = a if b is None else b
    directions = np.radians([turn, turn + angle])
    return np.stack([np.cos(directions), np.sin(directions)], axis=1) * [[a], [b]]


def crystal(vectors, shape, motif="one", *, strain=0.0, start=(0.3, 0.6)):
    """Noise-free frame, 0..1: columns on a lattice whose period grows by the share `strain` along both axes."""
    y, x = (r - 0.5 * strain * r**2 / n for r, n in zip(np.mgrid[0.0 : shape[0], 0.0 : shape[1]], shape, strict=True))
    within = np.einsum("ij,jyx->iyx", np.linalg.inv(vectors).T, np.stack([y, x]))
    image = np.zeros(shape)
    for first, second, height, width in MOTIFS[motif]:
        sigma = width * np.hypot(*vectors.T).min()
        away = within - np.array([first + start[0], second + start[1]])[:, None, None]
        away -= np.round(away)
        for i in (-1, 0, 1):
            for j in (-1, 0, 1):
                gap = np.einsum("iyx,ij->jyx", away + np.array([i, j])[:, None, None], vectors)
                image += height * np.exp(-(gap**2).sum(axis=0) / (2 * sigma**2))
    return image / image.max()


def scanned(image, rng, *, counts=100.0, shading=0.15, lines=0.0, flyback=0.0):
    """The image through a microscope, ``(1, height, width)``: flyback lag (px), shading, brightness of lines, Poisson
    noise.
    """
    height, width = image.shape
    y, x = np.mgrid[0.0:height, 0.0:width]
    if flyback:
        lag = x[0] + flyback * np.exp(-x[0] / 12)
        image = np.stack([np.interp(lag, x[0], row) for row in image])
    image = (image + 0.2) * (1 + shading * np.sin(4 * x / width + 2 * y / height))
    image = image + shading * (1 + np.cos(4 * y / height))
    image = image * (1 + lines * rng.normal(size=(height, 1)))
    return rng.poisson(np.maximum(image, 0) * counts).astype(np.uint16)[None]


def without_period(kind, n, rng):
    """A frame ``(1, n, n)`` without a lattice."""
    y, x = np.mgrid[0.0:n, 0.0:n]
    k = np.hypot(np.fft.fftfreq(n)[:, None], np.fft.fftfreq(n))
    k[0, 0] = np.inf
    white = rng.normal(size=(n, n))

    def filtered(image, response):
        return np.fft.ifft2(np.fft.fft2(image) * response).real

    dots = np.zeros((n, n))
    dots[rng.integers(0, n, n * n // 200), rng.integers(0, n, n * n // 200)] = 1.0
    frames = {
        "noise": white,
        "counts": rng.poisson(3.0, (n, n)).astype(float),
        "blank": np.full((n, n), 7.0),
        "gradient": 5 * x / n + 3 * y / n + 0.01 * white,
        "step": 10.0 * (x + 0.3 * y > 0.6 * n) + white,
        "photograph": filtered(white, k**-1.0),
        "smooth": filtered(white, k**-2.0),
        "islands": (filtered(white, k**-1.5) > 0) + 0.05 * rng.normal(size=(n, n)),
        "blobs": filtered(dots, np.exp(-2 * (np.pi * 3.0 * np.where(np.isinf(k), 0, k)) ** 2)),
        "amorphous": filtered(white, np.exp(-(((k - 0.08) / 0.02) ** 2))),
        "scan lines": white + 3 * rng.normal(size=(n, 1)),
        "one column": np.exp(-((y - n / 2) ** 2 + (x - n / 3) ** 2) / (2 * (n / 30) ** 2)) + 0.02 * white,
    }
    return frames[kind][None]


WITHOUT_PERIOD = [
    "noise",
    "counts",
    "blank",
    "gradient",
    "step",
    "photograph",
    "smooth",
    "islands",
    "blobs",
    "amorphous",
    "scan lines",
    "one column",
]


def same_lattice(found, true, *, tolerance=0.003):
    """Whether two sets of lattice vectors span the same lattice, each vector to the relative tolerance."""
    if len(found) != len(true):
        return False
    orders = np.asarray(found) @ np.linalg.pinv(true)
    whole = np.rint(orders)
    if len(true) == 2 and abs(round(np.linalg.det(whole))) != 1:
        return False
    gap = np.hypot(*(np.asarray(found) - whole @ np.asarray(true)).T)
    return bool((gap <= tolerance * np.hypot(*np.asarray(found).T)).all() and (np.abs(whole).sum(axis=1) > 0).all())
