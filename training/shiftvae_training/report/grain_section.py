"""The part of the report on the grains of a scan."""

from __future__ import annotations

from .findings import Findings
from .page import paragraph, table

__all__ = ["grain_part"]


def grain_part(found: Findings) -> str:
    """HTML of the part on the grains; empty for a single one."""
    grains = found.manifest.grains
    if not grains:
        return ""
    rows = [
        (
            str(number),
            "; ".join(f"({y:.3f}, {x:.3f})" for y, x in grain.vectors),
            f"{grain.turn_deg:.2f}{', mirrored' if grain.mirrored else ''}" if number else "",
            f"{grain.share:.0%}",
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
