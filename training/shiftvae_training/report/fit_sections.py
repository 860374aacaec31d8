"""The parts of the report on the fit: reconstructions, training, calibration of the uncertainties, settings."""

from __future__ import annotations

import numpy as np
import torch

from shiftvae_rt.array_types import Float64

from .figure_style import data_uri
from .findings import Findings, windows_of
from .model_figures import draw_losses, draw_reconstructions
from .page import figure, folded, numbers, paragraph, table

__all__ = ["coverage_part", "reconstruction_section", "settings_part", "training_part"]


#: Units of latents that have none of their own.
UNITS = {"grain": "number of the lattice", "order": "1 is well ordered"}
#: Number of windows in the figure of reconstructions.
RECONSTRUCTED = 6


def reconstruction_section(found: Findings) -> str:
    """HTML of the section with windows beside what the model draws of them."""
    windows, drawn = _reconstruct(found)
    picture = data_uri(
        draw_reconstructions(windows, drawn, float(found.trained.model.noise_sd), found.manifest.pixel_size_nm)
    )
    note = "Windows of the scan, what the model draws of them, and the difference: structure there is left out by it."
    if found.manifest.dimensions == 1:
        note = "Windows of the signal (grey), and what the model draws of them (orange)."
    return figure(picture, "reconstructions", note, wide=True)


@torch.no_grad()
def _reconstruct(found: Findings) -> tuple[Float64, Float64]:
    """A few windows of the frame and their reconstructions, averaged over the channels, ``(n, h, w)``."""
    model, scaled = found.trained.model, windows_of(found, RECONSTRUCTED)
    windows, sd = model.windows(scaled, 1)
    drawn = model.draw(model.read(scaled, sd, 1)[0][:, 0, 0])  # without a label: the first frame is of the first class
    return windows[:, 0, 0].mean(1).double().numpy(), drawn.mean(1).double().numpy()


def training_part(found: Findings, parity: tuple[float, float]) -> str:
    """HTML of the numbers of the training, each with a line; `parity` as in `write_report`."""
    training, score = found.training, found.trained.content_score

    def use(index: int) -> str:
        latent = found.manifest.latents[index]
        if latent.kind != "content":
            return latent.unit or UNITS.get(latent.kind, "")
        whose = "grain 0" if found.manifest.grains else "the scan"
        return f"sd over {whose}" if found.manifest.varies[index] else "not used"

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
    rows = [
        (
            "training",
            f"{training.seconds:.0f} s CPU, {training.steps} steps",
            "processor time, and steps of the optimiser",
        ),
        ("training windows", f"{training.windows:,}", "places in the frames from which windows were drawn"),
        (
            "confidence of the period",
            f"{training.period_confidence:.2f}",
            "noise stays below 0.05, a lattice above 0.9",
        ),
        (
            "held-out loss",
            f"{training.held_out_loss:.1f} nats",
            "of a window in regions not trained on; lower is better",
        ),
        ("noise", f"{training.noise_sd:.3f}", "what the model cannot draw, in units of a window's standard deviation"),
        ("ONNX against torch", f"{parity[0]:.1e}", "largest difference, in units of a latent's spread"),
        ("whole frame against windows", f"{parity[1]:.1e}", "largest difference, in units of a latent's spread"),
    ]
    if score is not None:
        shares = f"{100 * score.network:.1f} % / {100 * score.guess:.1f} %"
        rows.insert(3, ("content / first guess", shares, "share of the slow variation explained in unseen pixels"))
    note = (
        "Information: how much a window tells about the latent; below 0.1 nats it is not used. Spread: standard "
        "deviation over the scan. Median sd: uncertainty of one window."
    )
    losses = data_uri(draw_losses(found.trained.history))
    parts = (numbers(rows), latents, paragraph(note, "note"), figure(losses, "loss against steps", wide=True))
    return folded("Training", "numbers of the fit, and the information in each latent", *parts)


def coverage_part(found: Findings) -> str:
    """HTML on the calibration of the uncertainties."""
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
    line = "whether the stated standard deviations hold"
    return folded("Calibration of the uncertainties", line, table(head, rows), paragraph(note, "note"))


def settings_part(found: Findings) -> str:
    """HTML with settings, versions and data."""
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
    line = "all that is needed to train this model again"
    return folded("Settings and versions", line, table(("setting", "value"), rows))
