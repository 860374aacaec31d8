"""Captions of latents and fields in pictures, on the live page and in the report: title, colours, ends, legend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..array_types import Float32
from ..colours import Table
from ..fields import MeanLattice

__all__ = [
    "DRAWN_DEG",
    "Caption",
    "Colours",
    "drawn_field",
    "field_caption",
    "in_picometres",
    "latent_caption",
    "latent_kind",
    "legend_of",
    "limits_of",
    "table_of",
]

#: Kind of the values. grey: a frame. content: a latent, whose sign and zero mean nothing, or a magnitude. signed: a
#: quantity around zero. median: one around its median, because its zero is a convention. cyclic: a phase, or a shift
#: modulo the lattice. label: a number that names something, 0 and up. unused: a latent without variation, whose values
#: mean nothing.
Colours = Literal["grey", "content", "signed", "median", "cyclic", "label", "unused"]
#: Part that a latent plays in a map.
Kind = Literal["shift", "order", "grain", "pose", "content"]
#: Largest deviation of an antiphase that is drawn, degrees: where there is no order its phase is noise. At 20 degrees
#: the order is three times its deviation, which noise alone reaches in 1 % of the windows.
DRAWN_DEG = 20.0


@dataclass(frozen=True)
class Caption:
    """Title and colours that stand at a map.

    Parameters
    ----------
    title
        Name of the values, in words.
    colours
        Kind of the values.
    limits
        Ends of the colour bar; None takes them from the values, see `limits_of`.
    """

    title: str
    colours: Colours
    limits: tuple[float, float] | None = None


_LATENTS = {
    "dy": Caption("dy: shift down", "cyclic"),
    "dx": Caption("dx: shift right", "cyclic"),
    "phi": Caption("phi: counter-clockwise", "cyclic"),
    "scale": Caption("scale: larger", "signed"),
    "grain": Caption("grain: number of the lattice", "label"),
}
_FIELDS = {
    "uy": Caption("uy: displacement down", "median"),
    "ux": Caption("ux: displacement right", "median"),
    "exx": Caption("exx: strain along x", "signed"),
    "eyy": Caption("eyy: strain along y", "signed"),
    "exy": Caption("exy: shear", "signed"),
    "rotation": Caption("rotation: clockwise", "signed"),
    "grain": _LATENTS["grain"],
    "order": Caption("degree of order", "content"),
    "antiphase": Caption("phase of the order", "cyclic", (-180.0, 180.0)),
}


def table_of(colours: Colours) -> Table:
    """Give the table whose colours values of a kind have."""
    if colours == "median":
        return "signed"
    if colours == "label" or colours == "unused":  # mypy follows this, not `in`
        return "content"
    return colours


def latent_kind(name: str) -> Kind:
    """Give the part that the latent called `name` plays."""
    if name in ("dy", "dx"):
        return "shift"
    if name in ("phi", "scale"):
        return "pose"
    return "grain" if name == "grain" else "order" if name.startswith("w") else "content"


def latent_caption(name: str, lattice: MeanLattice | None, *, varies: bool = True) -> Caption:
    """Give the caption of the latent called `name`, in a map with this `lattice`; `varies` as in `LatentMap`."""
    if not varies:
        return Caption(name, "unused")
    return _of_grains(_LATENTS.get(name, Caption(name, "content")), lattice)


def field_caption(name: str, lattice: MeanLattice | None) -> Caption:
    """Give the caption of the field called `name`, which a number may end; one of another source has its name alone."""
    kind = name.rstrip("0123456789")
    found = _FIELDS.get(kind, Caption(name, "signed"))
    if name != kind and kind in _FIELDS:
        found = Caption(f"{name}: {found.title}", found.colours, found.limits)
    return _of_grains(found, lattice)


def _of_grains(caption: Caption, lattice: MeanLattice | None) -> Caption:
    if caption.colours != "label":
        return caption
    return Caption(caption.title, "label", (0.0, float(max(1, len(lattice.further) if lattice is not None else 1))))


def in_picometres(name: str, unit: str, pixel_size_nm: tuple[float, float] | None) -> tuple[float, str]:
    """Give factor and unit with which the field called `name` is shown: pm for px where a pixel's size is known."""
    if unit != "px" or pixel_size_nm is None:
        return 1.0, unit
    return 1e3 * pixel_size_nm[name.endswith("x")], "pm"


def drawn_field(name: str, mean: Float32, sd: Float32) -> Float32:
    """Give the values of the field called `name` that are shown: of an antiphase, those where there is order."""
    return np.where(sd < DRAWN_DEG, mean, np.float32(np.nan)) if name.startswith("antiphase") else mean


def limits_of(values: NDArray[Any], colours: Colours) -> tuple[float, float]:
    """Ends of the colour bar: from the 1st to the 99th percentile, evenly around zero or the median where that counts.

    A phase has all of its range. Values that are not finite do not count.
    """
    values = np.ravel(values)
    values = values[np.isfinite(values)]
    if values.size == 0:
        return 0.0, 1.0
    tail = 0 if colours in ("cyclic", "label") else values.size // 100
    places = (tail, values.size // 2, values.size - 1 - tail)
    low, middle, high = (float(value) for value in np.partition(values, places)[list(places)])
    if colours in ("cyclic", "signed", "median"):
        middle = middle if colours == "median" else 0.0
        reach = max(high - middle, middle - low)
        low, high = middle - reach, middle + reach
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def legend_of(
    names: Sequence[str], units: Sequence[str], fields: Sequence[str], lattice: MeanLattice | None, *, shifts: bool
) -> str:
    """Explain what titles and units leave open: the grains, the unit of content, where the colours have their middle.

    Parameters
    ----------
    names, units
        The latents that vary, and their units.
    fields
        Names of the fields that are shown.
    lattice
        Lattice of the map.
    shifts
        Whether the shifts are shown.
    """
    said = []
    several = lattice is not None and bool(lattice.further)
    if lattice is not None and (grains := lattice.grains_in_words()):
        said.append(f"{grains[0].upper()}{grains[1:]}; blank where no lattice fits.")
    if any(latent_kind(name) == "content" and not unit for name, unit in zip(names, units, strict=True)):
        whose = "grain 0 of the training scan" if several else "the training scan"
        said.append(f"Content: 1 unit is one standard deviation over {whose}.")
    if "exx" in fields:
        whose = "each grain in the training scan" if several else "the training scan"
        said.append(
            f"Strain and rotation: against the lattice of {whose}, light grey at 0. Displacement: light grey "
            f"at its median{', and a step by a lattice vector means nothing' if several else ''}. y points down."
        )
    if any(name.startswith("order") for name in fields):
        said.append("Order: 1 in well ordered parts of the training scan; its phase is drawn where there is order.")
    if shifts:
        said.append("The shifts repeat with the lattice.")
    return " ".join(said)
