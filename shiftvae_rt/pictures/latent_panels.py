"""Latent maps as a picture: the frame, every latent, and the truth where it is known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..frame import as_pixels
from ..verdict import verdict_text
from .picture import Colours, Panel, draw_picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..frame import Frame
    from ..latent_map import LatentMap

__all__ = ["FIELD_TITLES", "POSE_COLOURS", "POSE_TITLES", "draw_latent_map"]

#: Titles of the latents of the pose, and of the fields; colours of the former. The live page has the same.
POSE_TITLES = {
    "dy": "dy: shift down",
    "dx": "dx: shift right",
    "phi": "phi: counter-clockwise",
    "scale": "scale: larger",
}
FIELD_TITLES = {
    "uy": "uy: displacement down",
    "ux": "ux: displacement right",
    "exx": "exx: strain along x",
    "eyy": "eyy: strain along y",
    "exy": "exy: shear",
    "rotation": "rotation: clockwise",
}
POSE_COLOURS: dict[str, Colours] = {"dy": "cyclic", "dx": "cyclic", "phi": "cyclic", "scale": "signed"}


def draw_latent_map(
    latent_map: LatentMap, *, frame: Frame | None = None, truth: Mapping[str, NDArray[Any]] | None = None
) -> Figure:
    """Draw frame, truth, content and pose, in this order: what is to be compared lies side by side.

    Parameters
    ----------
    latent_map
        The map to draw, with a scale bar in nm if its pixel size is known.
    frame
        The frame that was mapped.
    truth
        Title -> ``(height, width)`` on the pixels of the frame.

    Raises
    ------
    ImportError
        if matplotlib is missing.
    """
    pose, content = _latent_panels(latent_map)
    known = [Panel(title, np.atleast_2d(image), colours="signed") for title, image in (truth or {}).items()]
    panels = [*(_frame_panels(frame, latent_map) if frame is not None else []), *known, *content, *pose]
    window, stride = latent_map.grid.window, latent_map.grid.stride
    size = f"{window[1]}" if window[0] == 1 else f"{window[0]} x {window[1]}"
    title = f"{frame.name}   " if frame is not None and frame.name else ""
    title += f"window {size} px, stride {stride} px, model {latent_map.model_sha256[:8]}"
    doubtful = latent_map.domain is not None and latent_map.domain.out_of_domain
    warning = verdict_text(latent_map.domain) if doubtful else ""
    return draw_picture(panels, title=title, pixel_size_nm=latent_map.pixel_size_nm, warning=warning)


def _frame_panels(frame: Frame, latent_map: LatentMap) -> list[Panel]:
    """Make a panel for each channel of the frame."""
    pixels = as_pixels(frame.pixels, dimensions=1 if latent_map.grid.frame_shape[0] == 1 else 2)
    names = ["frame"] if len(pixels) == 1 else [f"frame, channel {channel}" for channel in range(len(pixels))]
    return [Panel(name, channel, colours="grey") for name, channel in zip(names, pixels, strict=True)]


def _latent_panels(latent_map: LatentMap) -> tuple[list[Panel], list[Panel]]:
    """Make panels for the pose (fields, or else shift; rotation, scale), and for the latents of the content."""
    half = latent_map.grid.stride / 2
    y, x = latent_map.centre_y_px, latent_map.centre_x_px
    extent = (x[0] - half, x[-1] + half, y[0] - half, y[-1] + half)
    pose = _field_panels(latent_map, extent)
    content: list[Panel] = []
    for index, name in enumerate(latent_map.names):
        if pose and name in ("dy", "dx"):
            continue  # sawtooths of the lattice; the fields say what they mean
        colours = POSE_COLOURS.get(name, "content")
        (pose if name in POSE_TITLES else content).append(
            Panel(
                POSE_TITLES.get(name, name),
                latent_map.mean[index],
                unit=latent_map.units[index],
                extent_px=extent,
                colours=colours if latent_map.varies[index] else "unused",
                band=latent_map.std[index],
            )
        )
    return pose, content


def _field_panels(latent_map: LatentMap, extent: tuple[float, float, float, float]) -> list[Panel]:
    """Make a panel for each field; displacements in pm where the pixel size is known."""
    fields = latent_map.fields
    if fields is None:
        return []
    panels = []
    for name, unit, image in zip(fields.names, fields.units, fields.mean, strict=True):
        if unit == "px" and latent_map.pixel_size_nm is not None:
            unit, image = "pm", image * np.float32(1e3 * latent_map.pixel_size_nm[name == "ux"])
        panels.append(Panel(FIELD_TITLES[name], image, unit=unit, extent_px=extent, colours="signed"))
    return panels
