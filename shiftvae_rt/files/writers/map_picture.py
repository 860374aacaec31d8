"""Latent maps and fields as a picture for people: PNG, SVG or PDF."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from ...output_file import whole_or_nothing
from ...pictures.figure import save_figure
from ...pictures.latent_panels import draw_latent_map

if TYPE_CHECKING:
    from ...frame import Frame
    from ...latent_map import LatentMap

__all__ = ["write"]


def write(
    path: Path, latent_map: LatentMap, *, frame: Frame | None, truth: Mapping[str, NDArray[Any]], raw_shifts: bool
) -> None:
    """Write the picture of `draw_latent_map` in the format of the ending."""
    with whole_or_nothing(path, "matplotlib") as part:
        save_figure(draw_latent_map(latent_map, frame=frame, truth=truth, raw_shifts=raw_shifts), part)
