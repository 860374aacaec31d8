"""The pictures of the book: drawn from a model of the simulated microscope that the tutorial trains.

    python benchmarks/pictures.py [--model sample.svae]

Writes docs/explanation/*.png. Without a model it trains one, a minute and a half on one core.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from shiftvae_rt import Frame, LatentMapper, write_latent_map
from shiftvae_rt.encode.decoder import Decoder
from shiftvae_rt.simulator import Microscope

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "docs" / "explanation"
MICROSCOPE = Microscope(shape=(256, 256))
DOSES = (0.125, 0.25, 0.5, 1.0, 2.0)
COLOURS = ("#c2410c", "#1d4ed8", "#15803d", "#7e22ce")


def where_and_what(mapper: LatentMapper) -> None:
    """Four windows of a frame, and the two answers about each."""
    frame = MICROSCOPE.frame(1).pixels
    latent_map = mapper.map(frame)
    window, stride = mapper.window[0], mapper.stride
    places = [(4, 6), (20, 12), (9, 46), (30, 50)]
    figure = Figure(figsize=(8.5, 4.2), layout="constrained")
    axes = figure.subplot_mosaic([["frame", "a", "b"], ["frame", "c", "d"]], width_ratios=[2.1, 1, 1])
    axes["frame"].imshow(frame, cmap="gray")
    axes["frame"].set_title("a frame, and four of its windows")
    for colour, (row, col), name in zip(COLOURS, places, "abcd", strict=True):
        y, x = row * stride, col * stride
        axes["frame"].add_patch(Rectangle((x, y), window, window, fill=False, edgecolor=colour, linewidth=1.6))
        axes[name].imshow(frame[y : y + window, x : x + window], cmap="gray")
        dy, dx, z1 = (float(latent_map[latent][row, col]) for latent in ("dy", "dx", "z1"))
        centre = (window - 1) / 2
        axes[name].plot(centre, centre, "+", color=colour, markersize=9)
        axes[name].annotate(
            "",
            (centre + dx, centre + dy),
            (centre, centre),
            arrowprops={"arrowstyle": "->", "color": colour, "lw": 1.6},
        )
        axes[name].set_title(f"where {dy:+.1f}, {dx:+.1f} px\nwhat  z1 = {z1:+.2f}", color=colour, fontsize=8)
    save(figure, axes.values(), "where-and-what.png")


def traversal(mapper: LatentMapper) -> None:
    """What the decoder draws as one latent changes and the others stay."""
    draw = Decoder(mapper.model.graph("decoder.onnx")).draw
    low, high = np.quantile(mapper.map(MICROSCOPE.frame(1).pixels)["z1"], (0.02, 0.98))
    half = np.abs(np.array(mapper.model.manifest.lattice)).max() / 2
    walks = [  # the latent that changes, its values, and the shift: in the last line a B column is in the middle
        ("dx", np.linspace(-8, 8, 7), (0, 0)),
        ("dy", np.linspace(-8, 8, 7), (0, 0)),
        ("z1", np.linspace(low, high, 7), (half, half)),
    ]
    figure = Figure(figsize=(8.5, 4.2), layout="constrained")
    axes = figure.subplots(len(walks), 7)
    for line, (name, values, shift) in zip(axes, walks, strict=True):
        latents = np.zeros((len(values), len(mapper.names)), np.float32)
        latents[:, :2] = shift
        latents[:, mapper.names.index(name)] = values
        for ax, value, picture in zip(line, values, draw(latents), strict=True):
            ax.imshow(picture[0], cmap="gray")
            ax.set_title(f"{name} = {value:+.1f}{' px' if name != 'z1' else ''}", fontsize=8)
            if name == "z1":
                ax.axvline((picture.shape[-1] - 1) / 2, color=COLOURS[0], linewidth=0.8)
    save(figure, axes.ravel(), "traversal.png")


def uncertainty(mapper: LatentMapper) -> None:
    """The deviation that the model states, and the error that it makes, at several doses."""
    stated, made = [], []
    for dose in DOSES:
        truth = Microscope(shape=MICROSCOPE.shape, dose=dose, seed=1).frame(0)
        latent_map = mapper.map(truth.pixels)
        wanted = truth.shift_px(latent_map.centre_y_px, latent_map.centre_x_px)
        period = np.abs(np.array(mapper.model.manifest.lattice)).max()
        off = (latent_map.mean[:2] - wanted + period / 2) % period - period / 2
        off -= np.median(off, axis=(1, 2), keepdims=True)
        stated.append(np.sqrt(np.mean(latent_map.std[:2] ** 2)))
        made.append(np.median(np.abs(off)) / 0.6745)
    figure = Figure(figsize=(4.6, 3.2), layout="constrained")
    ax = figure.subplots()
    counts = [90 * dose for dose in DOSES]
    ax.loglog(counts, made, "o-", color=COLOURS[0], label="error of the position")
    ax.loglog(counts, stated, "s--", color=COLOURS[1], label="deviation that the map states")
    ax.set_xticks(counts, [f"{count:.0f}" for count in counts])
    ax.minorticks_off()
    ax.set_yticks([0.05, 0.1, 0.2, 0.4], ["0.05", "0.1", "0.2", "0.4"])
    ax.set_xlabel("counts at a bright column")
    ax.set_ylabel("px")
    ax.legend(frameon=False)
    ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(OUT / "uncertainty.png", dpi=110)


def save(figure, axes, name: str) -> None:
    for ax in axes:
        ax.set_xticks([])
        ax.set_yticks([])
    figure.savefig(OUT / name, dpi=110)


def train(path: Path) -> Path:
    """Train on frame 0, as the tutorial does."""
    from shiftvae_rt.model.manifest import DataSource
    from shiftvae_training.export import export_model
    from shiftvae_training.fitting.settings import Settings
    from shiftvae_training.train import train

    first = MICROSCOPE.frame(0)
    frames = [first.pixels[None]]
    source = DataSource(name="simulator", sha256="", frames=1, shape=(1, *first.pixels.shape), dtype="uint16")
    path.parent.mkdir(parents=True, exist_ok=True)
    trained = train(frames, Settings())
    export_model(path, trained, frames, sources=(source,), pixel_size_nm=first.pixel_size_nm)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, help="a model of the tutorial's scan (default: train one)")
    model = parser.parse_args().model or train(ROOT / "build" / "pictures" / "sample.svae")
    mpl.rcParams.update({"font.size": 9, "axes.titlelocation": "left", "axes.titlesize": 9})
    mapper = LatentMapper(model)
    first = MICROSCOPE.frame(1)
    latent_map = mapper.map(first.pixels, pixel_size_nm=first.pixel_size_nm)
    write_latent_map(OUT / "first-map.png", latent_map, frame=Frame(first.pixels, first.pixel_size_nm))
    where_and_what(mapper)
    traversal(mapper)
    uncertainty(mapper)


if __name__ == "__main__":
    main()
