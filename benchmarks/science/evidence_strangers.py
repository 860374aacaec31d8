"""Frames without a lattice, some of which appear to have one: rings, corrals, pick-up, photographs, noise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import ndimage, special

Frame = np.ndarray


def noise(rng, side=256, level=0.02):
    return level * rng.normal(size=(side, side))


def spots(places, side, sigma):
    y, x = np.mgrid[0.0:side, 0.0:side]
    return sum(np.exp(-((y - v) ** 2 + (x - u) ** 2) / (2 * sigma**2)) for v, u in places)


def circle(count, radius, side, start=0.0):
    turn = start + 2 * np.pi * np.arange(count) / count
    return np.stack([np.cos(turn), np.sin(turn)], axis=1) * radius + side / 2


def ring(rng, count=12, radius=43.3, side=128):
    """Gaussians on a circle, spaced like those of a lattice."""
    return spots(circle(count, radius, side, rng.uniform(0, 1)), side, 4.0) + noise(rng, side)


def two_rings(rng):
    side = 256
    return spots(np.concatenate([circle(12, 43.3, side), circle(24, 86.6, side, 0.1)]), side, 5.0) + noise(rng, side)


def corral(rng, pick_up=0.03):
    """48 adatoms on a circle, the standing wave inside, and pick-up along both axes of the scan."""
    side = 256
    y, x = np.mgrid[0.0:side, 0.0:side]
    away = np.hypot(y - side / 2, x - side / 2)
    inside = 0.25 * special.j0(0.22 * away) * (away < 95)
    waves = np.sin(2 * np.pi * x / 3.85) + np.sin(2 * np.pi * y / 6.53 + rng.uniform(0, 6))
    return spots(circle(48, 100, side), side, 3.5) + inside + pick_up * waves + noise(rng, side)


def row_of_features(rng):
    """Nine features in a row: a period along a line, and no lattice."""
    turn = rng.uniform(0, np.pi)
    places = 128 + 20.0 * (np.arange(9)[:, None] - 4) * np.array([np.cos(turn), np.sin(turn)])
    return spots(places, 256, 4.0) + noise(rng)


def few_features(rng):
    """Seven features: a centre and a hexagon around it."""
    places = np.concatenate([[[128.0, 128.0]], circle(6, 30, 256, rng.uniform(0, 1))])
    return spots(places, 256, 5.0) + noise(rng)


def pick_up_fast(rng):
    x = np.arange(256)
    return rng.normal(size=(256, 256)) + 0.8 * np.sin(2 * np.pi * rng.uniform(0.03, 0.4) * x)


def pick_up_slow(rng):
    y = np.arange(256)[:, None]
    return rng.normal(size=(256, 256)) + 0.8 * np.sin(2 * np.pi * rng.uniform(0.03, 0.4) * y)


def pick_up_on_both(rng):
    return pick_up_fast(rng) + pick_up_slow(rng) + texture(rng, 256, 1.2)


def texture(rng, side=256, slope=1.0):
    """Noise whose amplitude falls with the frequency, unit variance."""
    k = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side))
    k[0, 0] = np.inf
    image = np.fft.ifft2(np.fft.fft2(rng.normal(size=(side, side))) * k**-slope).real
    return image / image.std()


def dead_leaves(rng, side=256):
    """Overlapping discs with different textures ("dead leaves"), which have the statistics of photographs."""
    image = np.zeros((side, side))
    y, x = np.mgrid[0.0:side, 0.0:side]
    for radius in np.sort(8.0 * rng.uniform(size=300) ** -0.7)[::-1].clip(3, 100):
        v, u = rng.uniform(-20, side + 20, 2)
        inside = (y - v) ** 2 + (x - u) ** 2 < radius**2
        image[inside] = rng.uniform(0, 255)
    return ndimage.gaussian_filter(image, 0.7) + 4 * texture(rng, side) + rng.normal(size=(side, side))


def fields(rng, side=256):
    """Voronoi polygons of uniform grey with bright edges."""
    points = rng.uniform(0, side, (40, 2))
    y, x = np.mgrid[0.0:side, 0.0:side]
    nearest = np.argmin([(y - v) ** 2 + (x - u) ** 2 for v, u in points], axis=0)
    grey = rng.uniform(0, 200, 40)[nearest]
    return grey + 30 * ndimage.morphological_gradient(nearest, size=3).clip(0, 1) + 10 * texture(rng, side)


def house(rng):
    """A wall with two rows of four windows, a roof and a sky."""
    image = 180 + 20 * texture(rng, 256, 1.5)
    image[90:] = 110 + 6 * texture(rng, 256, 1.0)[90:]
    for top in (110, 175):
        for left in (28, 84, 140, 196):
            image[top : top + 40, left + rng.integers(-3, 4) : left + 30] = 40 + 30 * rng.uniform()
    return image + rng.normal(size=image.shape)


def portrait(rng):
    """Large soft shapes with sharp outlines, a fine texture and a vignette."""
    shapes = np.tanh(4 * ndimage.gaussian_filter(rng.normal(size=(256, 256)), 18) * 18)
    y, x = np.mgrid[-1.0:1:256j, -1.0:1:256j]
    return (120 + 60 * shapes + 12 * texture(rng, 256, 0.8)) * (1 - 0.3 * (y**2 + x**2)) + rng.normal(size=(256, 256))


def scratches(rng):
    """Straight lines of any direction on a grainy surface."""
    y, x = np.mgrid[0.0:256, 0.0:256]
    image = 0.6 * texture(rng, 256, 0.7)
    for _ in range(25):
        turn, away = rng.normal(0.4, 0.15), rng.uniform(0, 256)
        image += 2 * np.exp(-((np.cos(turn) * y + np.sin(turn) * x - away) ** 2) / 3)
    return image


def amorphous(rng):
    k = np.hypot(np.fft.fftfreq(256)[:, None], np.fft.fftfreq(256))
    return np.fft.ifft2(np.fft.fft2(rng.normal(size=(256, 256))) * np.exp(-(((k - 0.08) / 0.015) ** 2))).real


def packed(rng):
    """Features at random positions with a minimum distance, as in a liquid."""
    places: list[np.ndarray] = []
    for place in rng.uniform(0, 256, (6000, 2)):
        if all(np.hypot(*(place - other)) > 15 for other in places):
            places.append(place)
    return spots(places, 256, 4.0) + noise(rng, 256, 0.05)


def standing_waves(rng):
    """Waves that decay from a step."""
    y, x = np.mgrid[0.0:256, 0.0:256]
    away = np.abs(x + 0.2 * y - 90)
    return np.cos(2 * np.pi * away / 14) * np.exp(-away / 40) + (x + 0.2 * y > 90) + 0.1 * rng.normal(size=(256, 256))


def spiral(rng):
    y, x = np.mgrid[-128.0:128, -128.0:128]
    return np.cos(np.hypot(y, x) / 4 + 3 * np.arctan2(y, x)) + 0.3 * rng.normal(size=(256, 256))


STRANGERS: dict[str, Callable[[np.random.Generator], Frame]] = {
    "ring of 12": ring,
    "ring of 8": lambda rng: ring(rng, 8, 30.0),
    "two rings": two_rings,
    "corral": corral,
    "corral, strong pick-up": lambda rng: corral(rng, 0.1),
    "row of nine": row_of_features,
    "hexagon and its centre": few_features,
    "pick-up on the fast axis alone": pick_up_fast,
    "pick-up on the slow axis alone": pick_up_slow,
    "pick-up on both axes of a texture": pick_up_on_both,
    "concentric waves": lambda rng: special.j0(0.3 * np.hypot(*np.mgrid[-128:128, -128:128])) + noise(rng),
    "spiral": spiral,
    "standing waves of a step": standing_waves,
    "photograph: dead leaves": dead_leaves,
    "photograph: fields": fields,
    "photograph: house": house,
    "photograph: portrait": portrait,
    "scratches": scratches,
    "features that keep apart": packed,
    "amorphous": amorphous,
    "white noise": lambda rng: rng.normal(size=(256, 256)),
    "1/f noise": texture,
    "1/f2 noise": lambda rng: texture(rng, 256, 2.0),
    "Poisson noise of 3 counts": lambda rng: rng.poisson(3.0, (256, 256)).astype(float),
    "noise of lines": lambda rng: rng.normal(size=(256, 256)) + 3 * rng.normal(size=(256, 1)),
    "hot pixels alone": lambda rng: np.where(rng.uniform(size=(256, 256)) < 1e-3, 65535.0, rng.poisson(20, (256, 256))),
    "edge of vacuum": lambda rng: rng.poisson(20.0 + 200 * (np.arange(256) > 100), (256, 256)).astype(float),
}
