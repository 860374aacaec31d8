"""The training report: the data, the latents found, their meaning, and how far to trust them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from shiftvae_rt.frame import pixel_size_text
from shiftvae_rt.model.manifest import Manifest

from ..scans import has_contrast
from ..train import Trained
from .content_sections import axes_section, confounds_section, maps_section
from .domain import domain_section
from .figure_style import data_uri, quiet_style
from .findings import Findings, find
from .fit_sections import coverage_section, reconstruction_section, settings_section, training_section
from .page import facts, figure, page, paragraph, section
from .position_section import position_section
from .scan_figures import draw_scan

__all__ = ["write_report"]


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
    found = find(trained, next((frame for frame in frames if has_contrast(frame)), frames[0]), manifest)
    source = ", ".join(s.name for s in manifest.data) or "frames from memory"
    with quiet_style():
        body = [
            paragraph(_verdict(found), "verdict"),
            facts(_facts(found)),
            _scan(found),
            maps_section(found),
            axes_section(found),
            position_section(found),
            reconstruction_section(found),
            training_section(found, parity),
            coverage_section(found),
            domain_section(found.manifest, found.latent_map),
            confounds_section(found),
            settings_section(found),
        ]
    return page("Training report", f"Shift-VAE trained on {source}", body)


def _verdict(found: Findings) -> str:
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
    return f"{which} There {count} under Confounds: look there before a physical interpretation."


def _facts(found: Findings) -> list[tuple[str, str]]:
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
        *([("content against first guess", _shares(found))] if found.trained.content_score else []),
        ("noise", f"{training.noise_sd:.3f} of a window's sd"),
        ("training", f"{training.seconds:.0f} s CPU, {training.steps} steps"),
        ("training windows", f"{training.windows:,} positions"),
    ]


def _shares(found: Findings) -> str:
    score = found.trained.content_score
    return "" if score is None else f"{100 * score.network:.1f} % / {100 * score.guess:.1f} %"


def _scan(found: Findings) -> str:
    frame = np.asarray(found.frame, float).mean(axis=0)
    vectors = np.array(found.manifest.lattice).reshape(-1, 2)
    picture = data_uri(draw_scan(frame, found.manifest.window, vectors, found.manifest.pixel_size_nm))
    return section("Scan and period", paragraph(found.training.period_reason), figure(picture, "the scan"))
