"""The scan and its maps as images of the page, at the same places: a pointer on one shows the place in all of them."""

from __future__ import annotations

import base64
import io
from html import escape
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shiftvae_rt.array_types import Float64
from shiftvae_rt.colours import Table, colour_table, label_colours
from shiftvae_rt.pictures.captions import limits_of, table_of
from shiftvae_rt.pictures.latent_panels import latent_panels
from shiftvae_rt.pictures.panel import Panel
from shiftvae_rt.pictures.scale_bar import round_length

from .findings import Findings

__all__ = ["atlas", "scan_image"]

#: Largest side of the scan, and of a map, in the page; larger ones are averaged, or thinned out.
MOST_PX, MOST_WINDOWS = 1024, 256
#: Quality of the scan's JPEG: 85 is 0.3 bytes a pixel for counts, and keeps the columns of a single window.
QUALITY = 85


def atlas(found: Findings) -> str:
    """HTML of the scan and of all maps of an image; their script shows the window under the pointer."""
    frame = np.asarray(found.frame, float).mean(axis=0)
    edges = found.manifest.pixel_size_nm
    unit, (edge_y, edge_x) = ("px", (1.0, 1.0)) if edges is None else ("nm", edges)
    panels = latent_panels(found.latent_map)
    tables = {table_of(panel.colours) for panel in panels}
    shape = f"{frame.shape[1] * edge_x:.6g} / {frame.shape[0] * edge_y:.6g}"
    about = {
        "frame": "{} {}".format(*frame.shape),
        "window": "{} {}".format(*found.manifest.window),
        "edge": f"{edge_y:.6g} {edge_x:.6g}",
        "unit": unit,
        **{f"table{name}": colour_table(name).tobytes().hex() for name in sorted(tables)},
    }
    data = " ".join(f'data-{name}="{value}"' for name, value in about.items())
    bar = _scale_bar(frame.shape[1] * edge_x, unit)
    scan = f'<img class="scan" alt="the scan" src="{scan_image(frame)}">'
    cells = [_cell("the scan", scan + bar, shape)]
    cells += [_cell(panel.title, _map(panel, frame.shape) + bar, shape, below=_bar(panel)) for panel in panels]
    inside = "\n".join(cells)
    return (
        f'<div class="atlas" tabindex="0" aria-label="the scan and its maps" {data}>\n{inside}</div>\n'
        f'<aside class="place" hidden><canvas width="{_zoomed(found.manifest.window)[1]}" '
        f'height="{_zoomed(found.manifest.window)[0]}"></canvas><section></section></aside>'
    )


def scan_image(frame: Float64) -> str:
    """JPEG of ``frame (H, W)`` as a ``data:`` address, its darkest and brightest half per cent clipped."""
    step = -(-max(frame.shape) // MOST_PX)
    whole = frame[: frame.shape[0] // step * step, : frame.shape[1] // step * step]
    mean = whole.reshape(len(whole) // step, step, -1, step).mean(axis=(1, 3))
    low, high = np.nanpercentile(mean, [0.5, 99.5])
    grey = np.nan_to_num(255 * (mean - low) / max(high - low, 1e-30)).clip(0, 255).astype(np.uint8)
    return _encoded(Image.fromarray(grey), "jpeg", quality=QUALITY, optimize=True)


def _encoded(image: Image.Image, kind: Literal["jpeg", "png"], **options: int | bool) -> str:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return f"data:image/{kind};base64," + base64.b64encode(buffer.getvalue()).decode()


def _cell(title: str, inside: str, shape: str, below: str = "") -> str:
    mark = '<div class="mark"></div>'
    return (
        f'<figure><h3>{escape(title)}</h3><div class="map" style="aspect-ratio: {shape}">{inside}{mark}</div>'
        f"{below}</figure>"
    )


def _ends(panel: Panel) -> tuple[float, float]:
    return panel.limits or limits_of(panel.image, panel.colours)


def _map(panel: Panel, frame_shape: tuple[int, ...]) -> str:
    """The image of a map, where it lies in the frame."""
    height, width = frame_shape
    left, right, top, bottom = panel.extent_px or (-0.5, width - 0.5, -0.5, height - 0.5)
    box = ((left + 0.5) / width, (top + 0.5) / height, (right - left) / width, (bottom - top) / height)
    step = -(-max(panel.image.shape) // MOST_WINDOWS)
    values = np.asarray(panel.image[::step, ::step], float)
    low, high = _ends(panel)
    place = "; ".join(
        f"{side}: {100 * share:.3f}%" for side, share in zip(("left", "top", "width", "height"), box, strict=True)
    )
    about = {
        "name": panel.title.partition(":")[0],
        "unit": panel.unit,
        "low": f"{low:.6g}",
        "high": f"{high:.6g}",
        "decimals": "0" if panel.colours == "label" else str(_decimals(high - low)),
        "table": f"table{table_of(panel.colours)}",
        "box": " ".join(f"{share:.6f}" for share in box),
    }
    data = " ".join(f'data-{key}="{escape(value)}"' for key, value in about.items())
    picture = _encoded(_coloured(values, (low, high), table_of(panel.colours)), "png", optimize=True)
    kind = "" if np.isfinite(values).all() else 'class="blank" '
    return f'<img {kind}alt="map of {escape(panel.title)}" style="{place}" {data} src="{picture}">'


def _coloured(values: Float64, ends: tuple[float, float], name: Table) -> Image.Image:
    """Image with a palette; places that are not finite are clear."""
    low, high = ends
    known = np.isfinite(values)
    levels = np.round(255 * (np.where(known, values, low) - low) / (high - low)).clip(0, 255).astype(np.uint8)
    table: NDArray[np.uint8] = colour_table(name)
    if not known.all():
        return Image.fromarray(np.dstack([table[levels], np.where(known, 255, 0).astype(np.uint8)]))
    image = Image.fromarray(levels, "P")
    image.putpalette(table.tobytes())
    return image


def _decimals(span: float) -> int:
    return max(0, 2 - int(np.floor(np.log10(span)))) if span > 0 else 0


def _bar(panel: Panel) -> str:
    """The colour bar below a map, with values at its ends."""
    low, high = _ends(panel)
    if panel.colours == "label":
        colours = [f"#{bytes(colour).hex()}" for colour in label_colours(int(high) + 1)]
        named = "".join(f'<span><i style="background: {colour}"></i>{n}</span>' for n, colour in enumerate(colours))
        return f'<div class="labels">{named}</div>'
    digits = max(0, _decimals(high - low) - 1)
    stops = ", ".join(f"#{bytes(colour).hex()}" for colour in colour_table(table_of(panel.colours))[::15])
    words = [f"{value:.{digits}f}" for value in (low, high)]
    ends = [word.removeprefix("-") if not word.strip("-0.") else word for word in words]
    about = escape(f"{ends[1]} {panel.unit}".rstrip())
    return (
        f'<div class="colours"><span>{ends[0]}</span>'
        f'<i style="background: linear-gradient(90deg, {stops})"></i><span>{about}</span></div>'
    )


def _scale_bar(width: float, unit: str) -> str:
    length = round_length(width)
    return f'<div class="bar" style="width: {100 * length / width:.3f}%"><span>{length:g} {unit}</span></div>'


def _zoomed(window: tuple[int, int]) -> tuple[int, int]:
    """Size of the picture of a window on the screen, px."""
    by = max(1, 192 // max(window))
    return by * window[0], by * window[1]
