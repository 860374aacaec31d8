"""Latent maps as a picture: the frame, the content, the fields, and the truth where it is known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..frame import as_pixels
from ..verdict import verdict_text
from .captions import drawn_field, field_caption, in_picometres, latent_caption, latent_kind, legend_of
from .panel import Extent, Panel
from .picture import draw_picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..frame import Frame
    from ..latent_map import LatentMap

__all__ = ["draw_latent_map", "latent_panels", "legend_of_map"]


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
    bands = " Bands: one standard deviation." if latent_map.grid.frame_shape[0] == 1 else ""
    doubtful = latent_map.domain is not None and latent_map.domain.out_of_domain
    return draw_picture(
        panels,
        title=title,
        pixel_size_nm=latent_map.pixel_size_nm,
        warning=verdict_text(latent_map.domain) if doubtful else "",
        legend=legend_of_map(latent_map, raw_shifts=raw_shifts) + bands,
    )


def legend_of_map(latent_map: LatentMap, *, raw_shifts: bool = False) -> str:
    """Explain what titles and units of the panels of a map leave open; see `captions.legend_of`."""
    shown = _shown(latent_map)
    left_out = [name for index, name in enumerate(latent_map.names) if index not in shown]
    return (f"{', '.join(left_out)}: no variation found, so not shown. " if left_out else "") + legend_of(
        [latent_map.names[index] for index in shown],
        [latent_map.units[index] for index in shown],
        () if latent_map.fields is None else latent_map.fields.names,
        latent_map.lattice,
        shifts=raw_shifts and latent_map.lattice is not None,
    )


def _frame_panels(frame: Frame, latent_map: LatentMap) -> list[Panel]:
    """Make a panel for each channel of the frame."""
    signal = latent_map.grid.frame_shape[0] == 1
    pixels, what = as_pixels(frame.pixels, dimensions=1 if signal else 2), "signal" if signal else "frame"
    names = [what] if len(pixels) == 1 else [f"{what}, channel {channel}" for channel in range(len(pixels))]
    return [Panel(name, channel, colours="grey") for name, channel in zip(names, pixels, strict=True)]


def latent_panels(latent_map: LatentMap, *, raw_shifts: bool = False) -> list[Panel]:
    """Make panels for content, fields, rotation and scale, in this order; none for a latent without variation.

    The raw shifts follow with `raw_shifts`, and for a map that has nothing else.
    """
    extent = _extent(latent_map)
    sorted_panels: dict[str, list[Panel]] = {kind: [] for kind in ("grain", "content", "pose", "shift", "order")}
    for index in _shown(latent_map):
        name = latent_map.names[index]
        caption = latent_caption(name, latent_map.lattice)
        kind, image = latent_kind(name), latent_map.mean[index]
        panel = Panel(
            caption.title,
            np.where(image < 0, np.float32(np.nan), image) if kind == "grain" else image,
            unit=latent_map.units[index],
            extent_px=extent,
            colours=caption.colours,
            limits=caption.limits,
            band=latent_map.std[index],
        )
        sorted_panels[kind].append(panel)
    grain, content, pose, shift, order = sorted_panels.values()
    panels = [*grain, *content, *_field_panels(latent_map), *pose]
    return [*panels, *(shift + order if raw_shifts or not panels else [])]


def _shown(latent_map: LatentMap) -> list[int]:
    """Indices of the latents in which training found variation; of all, if there is none."""
    varying = [index for index, varies in enumerate(latent_map.varies) if varies]
    return varying or list(range(len(latent_map.names)))


def _field_panels(latent_map: LatentMap) -> list[Panel]:
    """Make a panel for each field; displacements in pm where the pixel size is known."""
    fields = latent_map.fields
    if fields is None:
        return []
    panels, extent = [], _extent(latent_map)
    for name, own_unit, image, sd in zip(fields.names, fields.units, fields.mean, fields.std, strict=True):
        if name == "grain":
            continue  # it stands beside the content
        factor, unit = in_picometres(name, own_unit, latent_map.pixel_size_nm)
        caption = field_caption(name, latent_map.lattice)
        panels.append(
            Panel(
                caption.title,
                drawn_field(name, image, sd) * np.float32(factor),
                unit=unit,
                extent_px=extent,
                colours=caption.colours,
                limits=caption.limits,
            )
        )
    return panels


def _extent(latent_map: LatentMap) -> Extent:
    """Edges of a map: a window stands for `stride` px around its centre."""
    half = latent_map.grid.stride / 2
    y, x = latent_map.centre_y_px, latent_map.centre_x_px
    return x[0] - half, x[-1] + half, y[0] - half, y[-1] + half
