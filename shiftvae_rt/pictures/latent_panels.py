"""Latent maps as a picture: the frame, the content, the fields, and the truth where it is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..frame import as_pixels
from ..verdict import verdict_text
from .panel import Colours, Extent, Panel
from .picture import draw_picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..frame import Frame
    from ..latent_map import LatentMap

__all__ = [
    "FIELD_TITLES",
    "POSE_COLOURS",
    "POSE_TITLES",
    "draw_latent_map",
    "field_colours",
    "field_title",
    "latent_panels",
]

#: Titles of the latents of the pose, and of the fields; colours of the former. The live page has the same.
POSE_TITLES = {
    "dy": "dy: shift down",
    "dx": "dx: shift right",
    "phi": "phi: counter-clockwise",
    "scale": "scale: larger",
}
#: Title of the map of grains, whose numbers are those of the model's lattices.
GRAIN_TITLE = "grain: number of the lattice"
FIELD_TITLES = {
    "uy": "uy: displacement down",
    "ux": "ux: displacement right",
    "exx": "exx: strain along x",
    "eyy": "eyy: strain along y",
    "exy": "exy: shear",
    "rotation": "rotation: clockwise",
    "order": "degree of order",
    "antiphase": "phase of the order",
}
#: Colours of the fields that are not around zero.
FIELD_COLOURS: dict[str, Colours] = {"uy": "median", "ux": "median", "order": "content", "antiphase": "cyclic"}
#: Largest deviation of an antiphase that is drawn, degrees: where there is no order its phase is noise.
DRAWN_DEG = 60.0
POSE_COLOURS: dict[str, Colours] = {"dy": "cyclic", "dx": "cyclic", "phi": "cyclic", "scale": "signed"}


def draw_latent_map(
    latent_map: LatentMap,
    *,
    frame: Frame | None = None,
    truth: Mapping[str, NDArray[Any]] | None = None,
    raw_shifts: bool = False,
) -> Figure:
    """Draw frame, truth, content and fields, in this order: what is to be compared lies side by side.

    Parameters
    ----------
    latent_map
        The map to draw, with scale bars in nm if its pixel size is known.
    frame
        The frame that was mapped.
    truth
        Title -> ``(height, width)`` on the pixels of the frame.
    raw_shifts
        Whether the shifts are drawn too; see `latent_panels`.

    Raises
    ------
    ImportError
        if matplotlib is missing.
    """
    known = [Panel(title, np.atleast_2d(image), colours="signed") for title, image in (truth or {}).items()]
    panels = [*(_frame_panels(frame, latent_map) if frame is not None else []), *known]
    panels += latent_panels(latent_map, raw_shifts=raw_shifts)
    window, stride = latent_map.grid.window, latent_map.grid.stride
    size = f"{window[1]}" if window[0] == 1 else f"{window[0]} x {window[1]}"
    title = f"{frame.name}   " if frame is not None and frame.name else ""
    title += f"window {size} px, stride {stride} px, model {latent_map.model_sha256[:8]}"
    doubtful = latent_map.domain is not None and latent_map.domain.out_of_domain
    return draw_picture(
        panels,
        title=title,
        pixel_size_nm=latent_map.pixel_size_nm,
        warning=verdict_text(latent_map.domain) if doubtful else "",
        legend=_legend(panels, latent_map),
    )


def _legend(panels: Sequence[Panel], latent_map: LatentMap) -> str:
    """Explain what the panels leave open: the grains, the unit of content, where the colours have their middle."""
    said = []
    if latent_map.lattice is not None and (grains := latent_map.lattice.grains_in_words()):
        said.append(f"{grains[0].upper()}{grains[1:]}; blank where no lattice fits.")
    if any(panel.colours == "content" and not panel.unit and panel.title != GRAIN_TITLE for panel in panels):
        said.append("Content: 1 unit is one standard deviation over the training scan.")
    titles = {panel.title for panel in panels}
    if FIELD_TITLES["exx"] in titles:
        several = latent_map.lattice is not None and latent_map.lattice.further
        whose = "each grain in the training scan" if several else "the training scan"
        said.append(
            f"Strain and rotation: against the lattice of {whose}, light grey at 0. Displacement: light grey "
            "at its median. y points down."
        )
    if any(panel.title.startswith("order") for panel in panels):
        said.append("Order: 1 in well ordered parts of the training scan; its phase is drawn where there is order.")
    return " ".join(said)


def _frame_panels(frame: Frame, latent_map: LatentMap) -> list[Panel]:
    """Make a panel for each channel of the frame."""
    pixels = as_pixels(frame.pixels, dimensions=1 if latent_map.grid.frame_shape[0] == 1 else 2)
    names = ["frame"] if len(pixels) == 1 else [f"frame, channel {channel}" for channel in range(len(pixels))]
    return [Panel(name, channel, colours="grey") for name, channel in zip(names, pixels, strict=True)]


def latent_panels(latent_map: LatentMap, *, raw_shifts: bool = False) -> list[Panel]:
    """Make panels for content, fields, rotation and scale, in this order.

    The raw shifts follow with `raw_shifts`, and for a map that has nothing else.
    """
    extent = _extent(latent_map)
    content: list[Panel] = []
    pose: list[Panel] = []
    shifts: list[Panel] = []
    for index, name in enumerate(latent_map.names):
        if name == "grain":
            content.insert(0, _grain_panel(latent_map, extent))
            continue
        kind = shifts if name in ("dy", "dx") or name[0] == "w" else pose if name in POSE_TITLES else content
        kind.append(
            Panel(
                POSE_TITLES.get(name, name),
                latent_map.mean[index],
                unit=latent_map.units[index],
                extent_px=extent,
                colours=POSE_COLOURS.get(name, "content") if latent_map.varies[index] else "unused",
                band=latent_map.std[index],
            )
        )
    panels = [*content, *_field_panels(latent_map), *pose]
    return [*panels, *(shifts if raw_shifts or not panels else [])]


def _grain_panel(latent_map: LatentMap, extent: Extent) -> Panel:
    """Make the panel of the grains; blank where no lattice fits."""
    grain = latent_map["grain"]
    last = len(latent_map.lattice.further) if latent_map.lattice is not None else max(1, int(grain.max()))
    return Panel(
        GRAIN_TITLE, np.where(grain < 0, np.float32(np.nan), grain), extent_px=extent, limits=(0.0, float(last))
    )


def _field_panels(latent_map: LatentMap) -> list[Panel]:
    """Make a panel for each field; displacements in pm where the pixel size is known."""
    fields = latent_map.fields
    if fields is None:
        return []
    panels, extent = [], _extent(latent_map)
    for name, unit, image, sd in zip(fields.names, fields.units, fields.mean, fields.std, strict=True):
        if name == "grain":
            continue  # it stands beside the content
        kind = name.rstrip("0123456789")
        if unit == "px" and latent_map.pixel_size_nm is not None:
            unit, image = "pm", image * np.float32(1e3 * latent_map.pixel_size_nm[name == "ux"])
        if kind == "antiphase":
            image = np.where(sd < DRAWN_DEG, image, np.float32(np.nan))
        colours = field_colours(name)
        panels.append(Panel(field_title(name), image, unit=unit, extent_px=extent, colours=colours))
    return panels


def field_title(name: str) -> str:
    """Title of the field called `name`, which a number may end; a field of another source is called by its name."""
    kind = name.rstrip("0123456789")
    title = FIELD_TITLES.get(kind, name)
    return title if name == kind or title == name else f"{name}: {title}"


def field_colours(name: str) -> Colours:
    """Colours of the field called `name`."""
    return FIELD_COLOURS.get(name.rstrip("0123456789"), "signed")


def _extent(latent_map: LatentMap) -> Extent:
    """Edges of a map: a window stands for `stride` px around its centre."""
    half = latent_map.grid.stride / 2
    y, x = latent_map.centre_y_px, latent_map.centre_x_px
    return x[0] - half, x[-1] + half, y[0] - half, y[-1] + half
