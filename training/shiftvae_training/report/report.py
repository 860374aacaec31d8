"""The training report: the data, the latents found, their meaning, and how far to trust them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from shiftvae_rt.frame import pixel_size_text
from shiftvae_rt.kernels.window_grid import WindowGrid
from shiftvae_rt.latent_map import LatentMap
from shiftvae_rt.model.manifest import Manifest, Training

from ..lattice.strain import strain_from_shift
from ..scans import has_contrast
from ..train import Trained
from . import figures as draw
from .balance import balance_under_noise
from .confounds import Confound, find_confounds
from .domain import domain_section
from .meaning import Meaning, explain
from .page import (
    facts,
    figure,
    page,
    paragraph,
    section,
    table,
)

__all__ = ["write_report"]

Floats = NDArray[np.float64]

#: Most windows along a side of the maps in the report.
MOST_WINDOWS = 250
#: Number of windows in the figure of reconstructions, and in the figure of uncertainties.
RECONSTRUCTED, BALANCED = 6, 300


@dataclass(frozen=True)
class _Findings:
    """What the sections of the report have in common."""

    trained: Trained
    manifest: Manifest
    frame: NDArray[Any]
    latent_map: LatentMap
    meaning: Meaning
    confounds: list[Confound]

    @property
    def training(self) -> Training:
        return cast("Training", self.manifest.training)  # only an imported model has none, and it has no report

    @property
    def content(self) -> list[int]:
        return [i for i, latent in enumerate(self.manifest.latents) if latent.kind == "content"]

    @property
    def used(self) -> list[int]:
        return [i for i in self.content if self.manifest.varies[i]]


def write_report(
    trained: Trained, frames: list[NDArray[Any]], manifest: Manifest, *, parity: tuple[float, float]
) -> str:
    """HTML of the report. The same model gives the same text, so it holds no time of writing.

    Parameters
    ----------
    trained
        The model and its training.
    frames
        ``(C, H, W)`` raw training frames; the maps are of the first with contrast.
    manifest
        Manifest of the model file.
    parity
        Largest difference of ONNX from torch, and of dense from window-by-window encoding, in units of a latent's
        spread.
    """
    found = _find(trained, next((frame for frame in frames if has_contrast(frame)), frames[0]), manifest)
    source = ", ".join(s.name for s in manifest.data) or "frames from memory"
    with draw.quiet_style():
        body = [
            paragraph(_verdict(found), "verdict"),
            facts(_facts(found)),
            _scan(found),
            _maps(found),
            _axes(found),
            _position(found),
            _reconstruction(found),
            _training(found, parity),
            _coverage(found),
            domain_section(found.manifest, found.latent_map),
            _confounds(found),
            _settings(found),
        ]
    return page("Training report", f"Shift-VAE trained on {source}", body)


def _find(trained: Trained, frame: NDArray[Any], manifest: Manifest) -> _Findings:
    model = trained.model
    shape = (int(frame.shape[1]), int(frame.shape[2]))
    stride = 4 * max(1, -(-max(shape) // (4 * MOST_WINDOWS)))
    centred = np.asarray(frame, np.float64)
    mean, std = model.map_frame((centred - centred.mean(axis=(1, 2), keepdims=True)).astype(np.float32), stride)
    names, units = (tuple(getattr(latent, part) for latent in manifest.latents) for part in ("name", "unit"))
    latent_map = LatentMap(
        mean, std, names, units, manifest.varies, WindowGrid(shape, model.window, stride), "", manifest.pixel_size_nm
    )
    axes = model.first_content
    content = mean[axes:].reshape(len(mean) - axes, mean.shape[1] * mean.shape[2]).astype(float)
    meaning = explain(model, content, manifest.varies[axes:], pixel_size_nm=manifest.pixel_size_nm)
    confounds = find_confounds(latent_map, frame, period_px=_period(found=manifest))
    return _Findings(trained, manifest, frame, latent_map, meaning, confounds)


def _period(found: Manifest) -> float:
    """Length of the longest lattice vector, px; without a lattice, the longer side of the window."""
    return max((float(np.hypot(y, x)) for y, x in found.lattice), default=float(max(found.window)))


def _verdict(found: _Findings) -> str:
    names = [found.manifest.latents[i].name for i in found.used]
    if not names:
        return "No variation found: every window shows the same motif, within the noise."
    which = (
        f"One content latent varies: {names[0]}." if len(names) == 1 else f"Content varies along {', '.join(names)}."
    )
    flags = [c for c in found.confounds if c.flag]
    if not flags:
        return which
    count = "is one flag" if len(flags) == 1 else f"are {len(flags)} flags"
    return f"{which} There {count} under Confounds: check them before a physical interpretation."


def _facts(found: _Findings) -> list[tuple[str, str]]:
    manifest, training = found.manifest, found.training
    vectors = manifest.lattice
    unit = manifest.pixel_size_nm
    periods = ", ".join(f"{np.hypot(*np.multiply(vector, unit or 1)):.4g}" for vector in vectors)
    return [
        ("period", f"{periods} {'nm' if unit else 'px'}" if vectors else "none: planar shift"),
        ("confidence of the period", f"{training.period_confidence:.2f}"),
        ("window", " x ".join(str(n) for n in manifest.window if n > 1) + " px"),
        ("pixel size", pixel_size_text(unit)),
        ("held-out loss", f"{training.held_out_loss:.1f} nats"),
        ("noise", f"{training.noise_sd:.3f} of a window's sd"),
        ("training", f"{training.seconds:.0f} s CPU, {training.steps} steps"),
        ("training windows", f"{training.windows:,} positions"),
    ]


def _scan(found: _Findings) -> str:
    frame = np.asarray(found.frame, float).mean(axis=0)
    vectors = np.array(found.manifest.lattice).reshape(-1, 2)
    picture = draw.data_uri(draw.draw_scan(frame, found.manifest.window, vectors, found.manifest.pixel_size_nm))
    return section("Scan and period", paragraph(found.training.period_reason), figure(picture, "the scan"))


def _maps(found: _Findings) -> str:
    parts = []
    if found.content:
        parts.append(figure(draw.data_uri(draw.draw_latent_maps(found.latent_map, found.content)), "content maps"))
    parts.append(
        paragraph(
            "One value for every window, at its centre. A latent in which training found no variation is shown grey, "
            "so that its noise is not stretched to full colour.",
            "note",
        )
    )
    return section("Latent maps", *parts)


def _axes(found: _Findings) -> str:
    parts = []
    for axis in found.meaning.axes:
        parts.append(paragraph(found.meaning.in_words(axis)))
        picture = draw.data_uri(draw.draw_traversal(axis, found.manifest.window))
        parts.append(figure(picture, f"motif along {axis.name}"))
    if not found.meaning.axes:
        return section("What the latents mean", paragraph("No content latent varies: there is nothing to explain."))
    places = [
        (f"column {k + 1}" + (", the anchor" if k == 0 else ""), f"{x:+.2f}", f"{y:+.2f}")
        for k, (y, x) in enumerate(found.meaning.columns_px)
    ]
    note = (
        "Decoded over the values that 95 % of the windows have, with the other latents at their mean. Displacements "
        "are relative to the anchor column, which the shift latents follow; they are slopes of Gaussians fitted to the "
        "decoded columns."
    )
    columns = table(("column of the cell", "x, px right of the anchor", "y, px below"), places)
    return section("What the latents mean", *parts, columns, paragraph(note, "note"))


def _position(found: _Findings) -> str:
    axes = found.trained.model.dimensions
    vectors = np.array(found.manifest.lattice).reshape(-1, 2)
    maps = draw.data_uri(draw.draw_latent_maps(found.latent_map, range(found.trained.model.first_content)))
    histogram = draw.data_uri(draw.draw_cell_histogram(_shifts_anywhere(found), vectors))
    parts = [figure(maps, "maps of the pose"), '<div class="side">']
    parts.append(
        figure(
            histogram,
            "shift histogram",
            "Position of the motif in the cell. The windows are cut at random places, so every position should be "
            "equally likely.",
        )
    )
    if found.used:
        under_noise = balance_under_noise(found.trained.model, _windows(found, BALANCED), seed=0)
        balance = draw.data_uri(draw.draw_balance(found.latent_map, axes, found.used, under_noise))
        caption = (
            "Uncertainty of the content against uncertainty of the position. Dots: windows of the scan. Lines: windows "
            "drawn by the model with the given multiple of the scan's noise; their posterior sd, and the true error "
            "that 68 % of them stay within. They were calibrated at 1; the posterior sd of the shift also includes "
            "distortion of the lattice."
        )
        parts.append(figure(balance, "uncertainty of position and content", caption))
    parts.append("</div>")
    if len(vectors) == 2 and axes == 2 and min(found.latent_map.mean.shape[1:]) > 8:
        strain = strain_from_shift(found.latent_map, vectors)
        caption = "Gradient of the shift relative to the mean lattice, averaged over one period; y points down."
        parts.append(figure(draw.data_uri(draw.draw_strain(strain)), "strain maps", caption))
    return section("Position of the motif", *parts)


def _shifts_anywhere(found: _Findings) -> Floats:
    """Shifts ``(axes, n)`` px of windows at random places: a regular grid of windows would beat with the lattice."""
    model, frame = found.trained.model, found.frame
    h, w = model.window
    rng = np.random.default_rng(0)
    strips = []
    for top in rng.integers(frame.shape[1] - h + 1, size=120 if h > 1 else 1):
        left = int(rng.integers(min(8, frame.shape[2] - w + 1)))
        strip = np.asarray(frame[:, top : top + h, left:], np.float64)
        centred = strip - strip.mean(axis=(1, 2), keepdims=True)
        mean, _ = model.map_frame(centred.astype(np.float32), 1 if h == 1 else 8)
        strips.append(mean[: model.dimensions].reshape(model.dimensions, -1))
    return np.concatenate(strips, axis=1).astype(float)


def _reconstruction(found: _Findings) -> str:
    windows, drawn = _reconstruct(found)
    picture = draw.data_uri(draw.draw_reconstructions(windows, drawn, float(found.trained.model.noise_sd)))
    note = "Structure in the last row is not described by the model."
    return section("Reconstruction", figure(picture, "reconstructions", note))


def _training(found: _Findings, parity: tuple[float, float]) -> str:
    def use(index: int) -> str:
        latent = found.manifest.latents[index]
        return latent.unit or ("sd over the scan" if found.manifest.varies[index] else "not used")

    latents = table(
        ("latent", "information, nats", "spread", "median sd", "unit"),
        [
            (
                latent.name,
                f"{latent.kl_nats:.2f}",
                f"{latent.spread:.3g}",
                f"{np.median(found.latent_map.std[index]):.2g}",
                use(index),
            )
            for index, latent in enumerate(found.manifest.latents)
        ],
    )
    exact = (
        f"The exported graph differs from torch by at most {parity[0]:.1e}, and dense from window-by-window encoding "
        f"by at most {parity[1]:.1e} of a latent's spread."
    )
    losses = draw.data_uri(draw.draw_losses(found.trained.history))
    return section("Training", figure(losses, "loss against steps"), latents, paragraph(exact, "note"))


def _coverage(found: _Findings) -> str:
    rows = [
        (
            c.latent,
            f"{100 * c.before[0]:.0f} / {100 * c.before[1]:.0f} %",
            f"{c.temperature:.2f}" + (f" x {c.scatter:.2f}" if c.scatter > 1 else ""),
            f"{100 * c.after[0]:.0f} / {100 * c.after[1]:.0f} %",
        )
        for c in found.trained.coverage
    ]
    note = (
        "Windows were drawn at known content and shift, with the noise of the scan, and encoded again. The table gives "
        "how often the truth lay within one and two posterior standard deviations; the target is 68 / 95 %. The sd of "
        "the shift has a second factor where shifts scatter about a smooth lattice by more than this noise explains."
    )
    head = ("latent", "coverage as trained", "sd multiplied by", "coverage as exported")
    return section("Calibration of the uncertainties", table(head, rows), paragraph(note, "note"))


def _confounds(found: _Findings) -> str:
    if not found.confounds:
        return section("Confounds", paragraph("No content latent varies: there is nothing to confound."))
    names = list(dict.fromkeys(c.nuisance for c in found.confounds))
    rows: dict[str, list[str]] = {}
    for c in found.confounds:
        rows.setdefault(c.latent, []).append(f"{c.correlation:+.2f}")
    flags = [(c.latent, c.flag) for c in found.confounds if c.flag]
    return section(
        "Confounds",
        table(("correlation of", *names), [(latent, *values) for latent, values in rows.items()]),
        table(("latent", "flag"), flags, flagged=1) if flags else paragraph("No correlation exceeds 0.5."),
        paragraph(
            "Pearson's r between maps averaged over one period. Smooth maps correlate easily: a flag is a reason to "
            "check, not a verdict.",
            "note",
        ),
    )


@torch.no_grad()
def _reconstruct(found: _Findings) -> tuple[Floats, Floats]:
    """A few windows of the frame and their reconstructions, averaged over the channels, ``(n, h, w)``."""
    model, scaled = found.trained.model, _windows(found, RECONSTRUCTED)
    windows, sd = model.windows(scaled, 1)
    posterior = model.encode(scaled, sd, 1)[:, 0, 0]
    drawn = model.draw(posterior)  # without a label: the first frame is of the first class
    return windows[:, 0, 0].mean(1).double().numpy(), drawn.mean(1).double().numpy()


def _windows(found: _Findings, count: int) -> torch.Tensor:
    """Scaled windows from random places of the frame, ``(count, C, h, w)``."""
    h, w = found.trained.model.window
    rows, cols = found.frame.shape[1] - h, found.frame.shape[2] - w
    rng = np.random.default_rng(0)
    places = zip(rng.integers(rows + 1, size=count), rng.integers(cols + 1, size=count), strict=True)
    cut = np.stack([np.asarray(found.frame[:, y : y + h, x : x + w], np.float64) for y, x in places])
    cut -= cut.mean(axis=(2, 3), keepdims=True)
    return torch.from_numpy(cut).float() * torch.tensor(found.trained.model.channel_scale)[:, None, None]


def _settings(found: _Findings) -> str:
    manifest, settings = found.manifest, found.trained.settings
    rows = [
        ("encoder", manifest.encoder),
        ("shift", f"{settings.shift}; prior {found.training.shift_prior}"),
        ("content latents", str(settings.content)),
        ("weights of the KL divergences", f"shift {settings.kl_shift:g}, content {settings.kl_content:g}"),
        ("decoder, likelihood", f"{settings.decoder}, {settings.likelihood}"),
        ("classes", ", ".join(found.training.classes) or "none"),
        ("constraints, nats", ", ".join(f"{k} {v:g}" for k, v in found.training.constraints.items()) or "none"),
        ("chosen from the scan", "; ".join(found.training.choices) or "nothing: every setting was given"),
        ("steps, at most", str(settings.steps)),
        ("seed", str(settings.seed)),
        ("threads", str(settings.threads)),
        ("lattice vectors (y, x), px", "; ".join(f"({y:.3f}, {x:.3f})" for y, x in manifest.lattice) or "none"),
        ("channel scale", ", ".join(f"{s:.4g}" for s in manifest.intensity.channel_scale)),
        ("strides", ", ".join(map(str, manifest.strides))),
        ("versions", ", ".join(f"{k} {v}" for k, v in manifest.versions.items())),
        ("commit", manifest.git_commit or "installed package"),
    ]
    for source in manifest.data:
        shape = " x ".join(map(str, source.shape))
        rows.append(
            ("data", f"{source.name}: {source.frames} frame(s) of {shape} {source.dtype}, SHA-256 {source.sha256}")
        )
    return section("Settings and versions", table(("setting", "value"), rows))
