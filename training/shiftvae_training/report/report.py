"""The training report: what was found in the scan, what it means, and how far to trust it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from shiftvae_rt.encode.mapper import LatentMapper

from ..scans import has_contrast
from ..train import Trained
from .answers import answers
from .content_sections import maps_section, meaning_section, reservations_section
from .domain import domain_section
from .figure_style import data_uri, quiet_style
from .findings import Findings, find
from .fit_sections import coverage_part, reconstruction_section, settings_part, training_part
from .page import figure, kept, page, paragraph, table
from .position_section import position_parts
from .scan_figures import draw_cell

__all__ = ["report_stride", "write_report"]

#: Frames up to this side, px, are mapped at stride 4, larger ones at 8: a map of the page has a few hundred windows.
FINE_SIDE = 1024


def report_stride(frames: list[NDArray[Any]]) -> int:
    """Stride of the maps in the report of ``frames (C, H, W)``, px."""
    return 4 if max(frames[0].shape[1:]) <= FINE_SIDE else 8


def write_report(
    trained: Trained, frames: list[NDArray[Any]], mapper: LatentMapper, *, parity: tuple[float, float]
) -> str:
    """HTML of the report. The same model gives the same text, so it holds no time of writing.

    Parameters
    ----------
    trained
        The model and its training.
    frames
        ``(C, H, W)`` raw training frames; the maps are of the first with contrast.
    mapper
        Mapper with the file of the model.
    parity
        Largest difference of ONNX from torch, and of dense from window-by-window encoding, in units of a latent's
        spread.
    """
    found = find(trained, next((frame for frame in frames if has_contrast(frame)), frames[0]), mapper)
    source = ", ".join(s.name for s in found.manifest.data) or "frames from memory"
    with quiet_style():
        experts = [
            training_part(found, parity),
            coverage_part(found),
            *position_parts(found),
            settings_part(found),
        ]
        sections = [
            ("maps", "Maps", maps_section(found)),
            ("meaning", "What each latent does", meaning_section(found)),
            ("reservations", "Reservations", reservations_section(found)),
            ("lattice", "The lattice", _lattice(found)),
            ("fit", "What the model draws", reconstruction_section(found)),
            ("domain", "Which frames it accepts", domain_section(found.manifest, found.latent_map)),
            ("experts", "For experts", "\n".join(experts)),
        ]
    sides = [n for n in found.manifest.window if n > 1]
    window = f"{' x '.join(map(str, sides))} px"
    if (edges := found.manifest.pixel_size_nm) is not None:
        window += f" ({' x '.join(f'{n * edge:.3g}' for n, edge in zip(sides, edges[-len(sides) :], strict=True))} nm)"
    lead = f"Training report of a shift-VAE: windows of {window}, {found.training.steps} steps"
    return page(source, lead, sections, first=answers(found))


def _lattice(found: Findings) -> str:
    frame = np.asarray(found.frame, float).mean(axis=0)
    vectors = np.array(found.manifest.lattice).reshape(-1, 2)
    picture = data_uri(draw_cell(frame, found.manifest.window, vectors, found.manifest.pixel_size_nm))
    reason = found.training.period_reason
    shown = paragraph(f"{reason[:1].upper()}{reason[1:]}.") + figure(picture, "a window and the lattice vectors")
    return kept(shown) + _grains(found)


def _grains(found: Findings) -> str:
    """HTML of the table of grains; empty for a single one."""
    grains = found.manifest.grains
    if not grains:
        return ""
    rows = [
        (
            str(number),
            "; ".join(f"({y:.3f}, {x:.3f})" for y, x in grain.vectors),
            f"{grain.turn_deg:.2f}{', mirrored' if grain.mirrored else ''}" if number else "",
            f"{100 * grain.share:.0f} %",
        )
        for number, grain in enumerate(grains)
    ]
    head = ("grain", "lattice vectors (y, x), px", "misorientation, degrees", "share of the frames")
    matched = next((choice for choice in found.training.choices if choice.startswith("grain 1")), "")
    note = (
        "All grains share one motif: the content of a window means the same in each. The misorientation is the turn of "
        "the motif against that of grain 0, counter-clockwise as seen. Content and shift of windows across a boundary "
        "mix two grains."
    )
    return table(head, rows) + paragraph(f"{matched[:1].upper()}{matched[1:]}.") + paragraph(note, "note")
