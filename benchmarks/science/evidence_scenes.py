"""Scenes of the accept / decline table: lattices that are hard to see, and frames that only seem to have one.

`SCENES` maps names to functions that make a `Scene` from a seed. The seed sets noise, origin and, where the scene does
not depend on it, the rotation of the lattice.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "training"))

from evidence_strangers import STRANGERS
from lattice_frames import cell, crystal, scanned

#: Below this many periods per side a refusal is as right as the cell.
FEW = 4.0


@dataclass(frozen=True)
class Scene:
    """Frame ``(1, height, width)``, the right cells (empty without a lattice), and whether a refusal is right."""

    frame: np.ndarray
    right: tuple[np.ndarray, ...]
    refusal: bool = False


SCENES: dict[str, Callable[[int], Scene]] = {}


def scene(name, maker, *arguments, **options):
    SCENES[name] = lambda seed: maker(np.random.default_rng([seed, len(name)]), *arguments, **options)


def lattice(rng, vectors, shape=(256, 256), motif="one", *, change=None, refusal=False, noise=None, **scan):
    """Scan of a crystal, modified by `change(image, rng)` before the Poisson noise and `noise(frame, rng)` after it."""
    image = crystal(vectors, shape, motif, strain=scan.pop("strain", 0.0), start=rng.uniform(size=2))
    if change is not None:
        image = change(image, rng)
    frame = scanned(image, rng, **scan).astype(float)
    return Scene(frame if noise is None else noise(frame, rng), (vectors,), refusal)


def turned(rng, period, *arguments, angle=90.0, ratio=1.0, **options):
    return lattice(rng, cell(period, period * ratio, angle, rng.uniform(0, 90)), *arguments, **options)


# Modifications of images before the noise


def vacuum(share, kind="right"):
    """Modification: vacuum on a share of the frame, at the right, at the top, or around an island."""

    def change(image, _):
        y, x = np.mgrid[0.0 : image.shape[0], 0.0 : image.shape[1]]
        height, width = image.shape
        away = np.hypot((y - 0.45 * height) / height, (x - 0.55 * width) / width)
        order = {"right": x, "top": -y, "corner": x + 0.6 * y, "around": away}[kind]
        return np.where(order < np.quantile(order, 1 - share), image, 0.0)

    return change


def disc(height=4.0, share=0.17):
    """A bright disc with a sharp edge."""

    def change(image, rng):
        centre = rng.uniform(0.35, 0.65, 2) * image.shape
        y, x = np.mgrid[0.0 : image.shape[0], 0.0 : image.shape[1]]
        return image + height * (np.hypot(y - centre[0], x - centre[1]) < np.sqrt(share * image.size / np.pi))

    return change


def adatoms(count, height, sigma):
    """Bright round features at random places."""

    def change(image, rng):
        dots = np.zeros(image.shape)
        for _ in range(count):
            dots[tuple(rng.integers(0.15 * np.array(image.shape), 0.85 * np.array(image.shape)))] += 1
        return image + height * 2 * np.pi * sigma**2 * ndimage.gaussian_filter(dots, sigma, mode="constant")

    return change


def steps(image, rng):
    """Three terraces with sharp, slanted edges."""
    y, x = np.mgrid[0.0 : image.shape[0], 0.0 : image.shape[1]]
    across = x + rng.uniform(0.2, 0.5) * y
    return image + 3.0 * (across > 0.4 * image.shape[1]) + 3.0 * (across > 0.9 * image.shape[1])


def hills(image, rng):
    """A slow background, twenty times as high as the lattice."""
    rough = ndimage.gaussian_filter(rng.normal(size=image.shape), 40, mode="wrap")
    return image + 20.0 * (rough - rough.min()) / np.ptp(rough)


# Modifications of frames after the noise


def hot(share, value):
    """Modification: random pixels have a fixed value."""
    return lambda frame, rng: np.where(rng.uniform(size=frame.shape) < share, value, frame)


def pickup(frequency, part=0.5):
    """Modification: an added wave of `frequency` (y, x) in cycles per px; amplitude in deviations of the frame."""

    def noise(frame, rng):
        y, x = np.mgrid[0.0 : frame.shape[1], 0.0 : frame.shape[2]]
        phase = 2 * np.pi * (frequency[0] * y + frequency[1] * x + rng.uniform())
        return frame + part * np.sqrt(2) * frame.std() * np.sin(phase)

    return noise


def any_pickup(rng):
    """Pick-up of any frequency along the fast axis, or nearly so, on a lattice of 16 px."""
    frequency = (rng.uniform(-0.02, 0.02) * rng.integers(2), rng.uniform(0.01, 0.4))
    return lattice(rng, cell(16.0, turn=rng.uniform(0, 45)), noise=pickup(frequency, rng.uniform(0.2, 1.0)))


def islands_of(domain):
    """A cell of 11 x 22 px everywhere (`domain` None), or the larger cell as square of side sqrt 2."""

    def make(rng):
        vectors = cell(11.0, 22.0) if domain is None else cell(22.0 / np.sqrt(2), turn=45.0)
        image = crystal(vectors, (300, 300)) + 0.7 * crystal(vectors, (300, 300), start=(0.3 + 0.5, 0.6 + 0.5))
        return Scene(scanned(image, rng).astype(float), (vectors,))

    return make


def silicon(rng):
    """Six adatoms in each half of a 7 x 7 cell of 60 px, one half brighter, as Si(111)."""
    vectors = cell(60.0, angle=60, turn=rng.uniform(0, 60))
    within = np.tensordot(np.linalg.inv(vectors).T, np.mgrid[0.0:400, 0.0:400], axes=1) - rng.uniform(size=(2, 1, 1))
    image = np.zeros((400, 400))
    corners = np.array([(1, 1), (1, 3), (3, 1), (1, 5), (5, 1), (3, 3)]) / 7
    for place, bright in [*((c, 1.0) for c in corners), *((1 - c, 0.7) for c in corners)]:
        away = within - place[:, None, None]
        away -= np.rint(away)
        gap = np.tensordot(vectors.T, away, axes=1)
        image += bright * np.exp(-(gap**2).sum(axis=0) / 18)
    return Scene(scanned(image, rng).astype(float), (vectors,))


def moire(rng, side):
    """Hexagonal, 45 px, bright in a third of the cell."""
    vectors = cell(45.0, angle=60, turn=rng.uniform(0, 60))
    image = crystal(vectors, (side, side), "wave", start=rng.uniform(size=2)) ** 2
    return Scene(scanned(image, rng).astype(float), (vectors,), side / 45 < FEW)


def atoms_with_moire(rng):
    """Atoms of 9 px with a brightness modulated by a moire of 63 px: the cell of the atoms, or seven times that."""
    atoms = cell(9.0, angle=60, turn=rng.uniform(0, 60))
    image = crystal(atoms, (320, 320), "wave") * (0.6 + 0.8 * crystal(7 * atoms, (320, 320), "wave"))
    return Scene(scanned(image, rng).astype(float), (atoms, 7 * atoms))


for share in (0.0, 0.2, 0.35, 0.5, 0.65, 0.8):
    scene(f"16 px, {share:.0%} vacuum at the right", lattice, cell(16.0), change=vacuum(share))
for share in (0.35, 0.5, 0.65):
    scene(f"perovskite 16 px, {share:.0%} vacuum", lattice, cell(16.0), motif="perovskite", change=vacuum(share))
scene("faint B 16 px, 45% vacuum", lattice, cell(16.0), motif="faint B", change=vacuum(0.45))
scene("24 px, 40% vacuum at the right", lattice, cell(24.0), change=vacuum(0.4))
scene("24 px in 512, 70% vacuum at the top", turned, 24.0, (512, 512), change=vacuum(0.7, "top"))
scene("hexagonal 14 px, 60% vacuum around", turned, 14.0, angle=60, change=vacuum(0.6, "around"))
scene("perovskite 20 px in 384, 75% vacuum", turned, 20.0, (384, 384), "perovskite", change=vacuum(0.75, "corner"))
scene("24 px, 0.1% of 65535", lattice, cell(24.0), noise=hot(1e-3, 65535))
scene("24 px, 0.1% of 5000", lattice, cell(24.0), noise=hot(1e-3, 5000))
scene("perovskite 24 px, 0.1% of 5000", lattice, cell(24.0), motif="perovskite", noise=hot(1e-3, 5000))
scene("hexagonal 12 px, 1% of 5000", turned, 12.0, angle=60, noise=hot(1e-2, 5000))
scene("perovskite 20 px, 1% dead", turned, 20.0, (256, 256), "perovskite", noise=hot(1e-2, 0))
scene("5 px, 0.2% of 65535", turned, 5.0, noise=hot(2e-3, 65535))
for name, frequency in {
    "fast axis, half": (0.0, 0.5 / 16 * 0.985),
    "fast axis, quarter": (0.0, 0.25 / 16 * 1.02),
    "slow axis, half": (0.5 / 16 * 1.015, 0.0),
    "fast axis, 1.5": (0.0, 1.5 / 16 * 1.006),
    "both axes, half": (0.003, 0.5 / 16),
}.items():
    scene(f"16 px, pick-up on the {name}", lattice, cell(16.0), noise=pickup(frequency))
    scene(f"perovskite, pick-up on the {name}", lattice, cell(16.0), motif="perovskite", noise=pickup(frequency))
scene("24 px, pick-up near half", lattice, cell(24.0), noise=pickup((0.0, 0.5 / 24 * 1.02), 0.3))
scene("16 px, pick-up of any frequency", any_pickup)
scene("graphene 13 px, three adatoms", turned, 13.0, (256, 256), "honeycomb", angle=60, change=adatoms(3, 30, 9))
scene("18 px, bright disc on 17%", turned, 18.0, change=disc())
scene("15 px, forty bright particles", turned, 15.0, change=adatoms(40, 5, 4))
scene("12 px, three terraces", turned, 12.0, change=steps)
scene("17 px on hills", turned, 17.0, change=hills, counts=200)
scene("perovskite 24 px, shaded", turned, 24.0, (256, 256), "perovskite", shading=0.6, lines=0.1)
scene("AFM 14 px, lower half, steps", turned, 14.0, change=lambda i, r: steps(vacuum(0.5, "top")(i, r), r), lines=0.1)
scene("20 px, half scanned", turned, 20.0, noise=lambda f, _: f * (np.arange(f.shape[1]) < 128)[:, None])
for count in (2, 3, 3.5, 4, 5, 6):
    scene(f"{count} periods in 192", turned, 192 / count, (192, 192), refusal=count < FEW)
scene("4 periods of hexagonal in 160", turned, 40.0, (160, 160), angle=60)
for side, period in ((256, 75.0), (256, 85.0), (512, 150.0), (512, 170.0)):
    scene(f"{period:.0f} px in {side}", lattice, cell(period), (side, side), refusal=side / period < FEW)
scene("perovskite 75 px in 256", turned, 75.0, (256, 256), "perovskite", refusal=True)
scene("16 px in 32 x 512", lattice, cell(16.0), (32, 512), refusal=True)
scene("7 px in 28 x 400", turned, 7.0, (28, 400))
scene("16 px in 512 x 72", turned, 16.0, (512, 72))
scene("perovskite, oblique 6 x 7.5 px", lattice, cell(6.0, 7.5, 101.0), (224, 224), "perovskite")
scene("hexagonal 13 px, 20 counts", turned, 13.0, angle=60, counts=20)
scene("honeycomb 20 px", turned, 20.0, (384, 384), "honeycomb", angle=60)
scene("centred 14 x 22 px", turned, np.hypot(7, 11), angle=2 * np.degrees(np.arctan(7 / 11)))
scene("rectangular 13 x 24 px", turned, 13.0, (256, 256), ratio=24 / 13)
scene("two periods of a doubled cell, 11 x 22 px", islands_of(None))
scene("square of 15.6 px, centre brighter", islands_of("square"))
scene("Si(111) 7 x 7, 60 px", silicon)
scene("moire, 45 px in 160", moire, 160)
scene("moire, 45 px in 320", moire, 320)
scene("atoms of 9 px under a moire of 63", atoms_with_moire)
scene("perovskite 19 px, strained by 4%", turned, 18.6, (384, 384), "perovskite", strain=0.02)


def stranger(kind):
    return lambda seed: Scene(STRANGERS[kind](np.random.default_rng([seed, len(kind)]))[None], ())


SCENES |= {name: stranger(name) for name in STRANGERS}
