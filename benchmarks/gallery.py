"""The gallery of the book: real scans, what a model finds in each, and what an established method shows beside it.

    python benchmarks/gallery.py [--only LLTO gold] [--steps 1000]

Trains a model for each scan with the choices that the package makes, and writes docs/explanation/gallery.md and its
pictures. Needs the real data (SHIFTVAE_DATA, or ../shared/data); ten minutes on one core.
"""

from __future__ import annotations

import argparse
import io
import json
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_rt.pictures.latent_panels import latent_panels
from shiftvae_rt.pictures.panel import Panel
from shiftvae_rt.pictures.picture import draw_picture
from shiftvae_training.export import make_model_file
from shiftvae_training.fitting.settings import Settings
from shiftvae_training.model.column_fit import find_columns
from shiftvae_training.report.answers import content_in_words, fields_in_words, lattice_in_words, what_varies
from shiftvae_training.report.findings import Findings, find
from shiftvae_training.report.trust import checks
from shiftvae_training.scans import read_scans
from shiftvae_training.train import train

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("SHIFTVAE_DATA", ROOT.parent / "shared" / "data"))
PAGE = ROOT / "docs" / "explanation" / "gallery.md"
FOUND = ROOT / "benchmarks" / "results" / "gallery.json"
MOST_BYTES = 150_000


class Scene(NamedTuple):
    """A scan of the gallery: its file, what it is, and the reference method, ``"columns"`` or ``"fourier"``."""

    name: str
    file: str
    what: str
    reference: str


SCENES = (
    Scene("LLTO", "LLTO.jpg", "A layered perovskite with domains that are ordered at 90 degrees", "columns"),
    Scene("interface", "DMReader_Image_SI-Survey.dm3", "An interface of two perovskites, HAADF", "columns"),
    Scene("gold", "Grain_boundry_gold_512px.png", "A grain boundary in gold, HAADF", "fourier"),
    Scene("twin", "TwinBoundary.emd", "A twin boundary, HAADF", "fourier"),
    Scene(
        "graphene", "G-GrainBoundary-4nm.hdf5", "A grain boundary in graphene, HAADF at 60 kV, very noisy", "fourier"
    ),
    Scene("MoS2", "example_Se_implanted_MoS2.dm3", "A monolayer of MoS2 with implanted Se, and a hole", "columns"),
)
REFERENCES = {
    "columns": "PCA at columns: patches around the bright columns, each scaled to mean 0 and deviation 1; the first "
    "principal component at every column.",
    "fourier": "Local Fourier transform: the direction of the lattice in every Hann window, from the power at its "
    "first spots.",
}


def columns_panel(scan: np.ndarray, period: float) -> Panel:
    """First principal component of patches around the bright columns, drawn where the columns are."""
    half = round(0.75 * period)
    places = find_columns(gaussian_filter(scan, 1.0))
    inside = ((places >= half) & (places < np.array(scan.shape) - half)).all(axis=1)
    places = places[inside]
    bright = gaussian_filter(scan, 1.0)[tuple(places.T)]
    local = np.array([bright[near].mean() for near in cKDTree(places).query(places, 9)[1]])
    places = places[bright > local]
    patches = np.stack([scan[y - half : y + half + 1, x - half : x + half + 1].ravel() for y, x in places])
    patches = (patches - patches.mean(axis=1, keepdims=True)) / patches.std(axis=1, keepdims=True)
    score = np.linalg.svd(patches - patches.mean(axis=0), full_matrices=False)[0][:, 0]
    grid = np.indices((scan.shape[0] // 4, scan.shape[1] // 4)).reshape(2, -1).T * 4 + 1.5
    away, nearest = cKDTree(places).query(grid)
    image = np.where(away < 2 * period, score[nearest], np.nan).reshape(scan.shape[0] // 4, scan.shape[1] // 4)
    extent = (-0.5, image.shape[1] * 4 - 0.5, -0.5, image.shape[0] * 4 - 0.5)
    return Panel("PCA at columns", image / np.nanstd(image), extent_px=extent, colours="content")


def fourier_panel(scan: np.ndarray, vectors: np.ndarray) -> Panel:
    """Direction of the lattice in sliding Hann windows, degrees modulo its symmetry."""
    period = float(np.hypot(*vectors.T).mean())
    cosine = float(vectors[0] @ vectors[1] / np.prod(np.hypot(*vectors.T)))
    fold = 6 if abs(abs(cosine) - 0.5) < 0.15 else 4
    side, step = 2 * round(2.5 * period), max(4, round(0.5 * period))
    hann = np.outer(np.hanning(side), np.hanning(side))
    fy, fx = np.meshgrid(np.fft.fftfreq(side), np.fft.rfftfreq(side), indexing="ij")
    first = 1 / (period * np.sqrt(1 - cosine**2))  # spots of the first order
    band = (np.hypot(fy, fx) > 0.8 * first) & (np.hypot(fy, fx) < 1.25 * first)
    turn = np.exp(1j * fold * np.arctan2(fy, fx))[band]
    tops, lefts = (np.arange(0, n - side + 1, step) for n in scan.shape)
    found = np.empty((len(tops), len(lefts)))
    for row, top in enumerate(tops):
        for col, left in enumerate(lefts):
            part = scan[top : top + side, left : left + side]
            power = np.abs(np.fft.rfft2((part - part.mean()) * hann))[band] ** 2
            found[row, col] = np.degrees(np.angle(np.sum(power * turn))) / fold
    start = (side - 1) / 2 - step / 2
    extent = (start, start + step * len(lefts), start, start + step * len(tops))
    half = 180 / fold
    return Panel(
        "local Fourier: direction", found, unit="deg", extent_px=extent, colours="cyclic", limits=(-half, half)
    )


def our_panels(found: Findings) -> list[Panel]:
    """The maps that say most: grains and order where the model has them, content that varies, else the rotation."""
    panels = latent_panels(found.latent_map)
    names = [found.manifest.latents[i].name for i in found.used]
    special = [panel for panel in panels if panel.title.startswith(("grain", "order", "antiphase"))]
    content = [panel for panel in panels if panel.title.partition(":")[0] in names]
    return [*special, *content][:2] or [panel for panel in panels if panel.title.startswith("rotation")]


def look_at(scene: Scene, steps: int) -> dict[str, object]:
    """Train, draw, and put what was found into words."""
    scans = read_scans([str(DATA / scene.file)])
    trained = train(scans.frames[:1], Settings(steps=steps))
    model, _ = make_model_file(trained, scans.frames[:1], sources=scans.sources, pixel_size_nm=scans.pixel_size_nm)
    found = find(trained, scans.frames[0], LatentMapper(model, stride=4))
    scan = np.asarray(scans.frames[0], float).mean(axis=0)
    vectors = np.array(found.manifest.lattice)
    period = float(np.hypot(*vectors.T).max())
    reference = columns_panel(scan, period) if scene.reference == "columns" else fourier_panel(scan, vectors)
    panels = [Panel("scan", scan, colours="grey"), *our_panels(found), reference]
    figure = draw_picture(panels, pixel_size_nm=scans.pixel_size_nm)
    size = save(figure, PAGE.with_name(f"gallery-{scene.name}.jpg"))
    doubts = [check.text for check in checks(found) if not check.good]
    print(f"{scene.name}: {size / 1000:.0f} kB; {lattice_in_words(found)} {what_varies(found)}")
    return {
        "shown": [panel.title for panel in panels[1:-1]],
        "lattice": lattice_in_words(found),
        "varies": what_varies(found),
        "meaning": [*content_in_words(found), *fields_in_words(found)],
        "reservations": doubts,
        "cpu_s": round(trained.seconds),
        "steps": steps,
    }


def save(figure, path: Path) -> int:
    """Write `figure` as a JPEG of at most 150 kB; gives its size."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=80)
    image = Image.open(buffer).convert("RGB")
    for quality in range(88, 30, -6):
        out = io.BytesIO()
        image.save(out, "jpeg", quality=quality, optimize=True)
        if out.tell() <= MOST_BYTES:
            break
    path.write_bytes(out.getvalue())
    return out.tell()


def write_page(known: dict[str, dict[str, object]]) -> None:
    """Write the page from what was found in each scan."""
    parts = [HEAD]
    for scene in SCENES:
        if scene.name not in known:
            continue
        found = known[scene.name]
        parts.append(f"## {scene.name}\n")
        parts.append(f"{scene.what} (`{scene.file}`).\n")
        parts.append(f"![{scene.what}: the scan, maps of the model, and the reference](gallery-{scene.name}.jpg)\n")
        parts.append(f"*{REFERENCES[scene.reference]}*\n")
        parts.append(f"* **Lattice.** {found['lattice']}\n* **What varies.** {found['varies']}")
        parts += [f"* {text}" for text in found["meaning"]]
        parts += [f"* **Reservation.** {text}" for text in found["reservations"]]
        parts.append("")
    PAGE.write_text("\n".join(parts).rstrip() + "\n", encoding="utf-8")


HEAD = """# Gallery

Real scans, each with a model that was trained on it with the package's own choices. Left the
scan, then what the model finds, right the map of an established method. The sentences are those of the first screen of
the training report; a reservation is a reason to look twice. `python benchmarks/gallery.py` makes this page. The scans
are public files of other projects and are not part of this one.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", metavar="NAME", default=[scene.name for scene in SCENES])
    parser.add_argument("--steps", type=int, default=Settings().steps)
    chosen = parser.parse_args()
    known = json.loads(FOUND.read_text()) if FOUND.exists() else {}
    for scene in SCENES:
        if scene.name in chosen.only:
            known[scene.name] = look_at(scene, chosen.steps)
            FOUND.write_text(json.dumps(known, indent=1) + "\n")
    write_page(known)


if __name__ == "__main__":
    main()
