"""The sections of the report on the content: its maps, what it means, what it may be confounded with."""

from __future__ import annotations

from .figure_style import data_uri
from .findings import Findings
from .model_figures import draw_traversal
from .page import figure, paragraph, section, table
from .scan_figures import draw_latent_maps

__all__ = ["axes_section", "confounds_section", "maps_section"]


def maps_section(found: Findings) -> str:
    """HTML of the section with the maps of the content."""
    parts = []
    if found.content:
        parts.append(figure(data_uri(draw_latent_maps(found.latent_map, found.content)), "content maps"))
    parts.append(
        paragraph(
            "One value for every window, at its centre. A latent in which training found no variation is shown grey, "
            "so that its noise is not stretched to full colour.",
            "note",
        )
    )
    return section("Latent maps", *parts)


def axes_section(found: Findings) -> str:
    """HTML of the section on what the content means."""
    parts = []
    for axis in found.meaning.axes:
        parts.append(paragraph(found.meaning.in_words(axis)))
        picture = data_uri(draw_traversal(axis, found.manifest.window))
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


def confounds_section(found: Findings) -> str:
    """HTML of the section on what the content may be confounded with."""
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
