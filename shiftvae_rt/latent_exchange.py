"""Latent maps as objects of other packages, with their axes in nm (px where the pixel size is unknown)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from .array_types import Float32
from .optional import require
from .verdict import verdict_text

if TYPE_CHECKING:
    from .latent_map import LatentMap

__all__ = ["Axis", "as_hyperspy", "as_xarray", "image_axes", "provenance", "signals_of"]


class Axis(TypedDict):
    """A calibrated axis: the k-th window lies at ``offset + k * scale``, in `units`."""

    name: str
    units: str
    scale: float
    offset: float


def image_axes(latent_map: LatentMap) -> tuple[Axis, Axis]:
    """Give the axes y and x of the window centres, in nm, or px where the pixel size is unknown."""
    edges = latent_map.pixel_size_nm or (1.0, 1.0)
    units = "px" if latent_map.pixel_size_nm is None else "nm"
    stride, centres = latent_map.grid.stride, (latent_map.centre_y_px, latent_map.centre_x_px)
    y, x = (
        Axis(name=name, units=units, scale=stride * edge, offset=float(centre[0]) * edge)
        for name, edge, centre in zip("yx", edges, centres, strict=True)
    )
    return y, x


def signals_of(latent_map: LatentMap) -> dict[str, Float32]:
    """Give the arrays of the signals of HyperSpy, by their titles: those of a line signal have no y axis."""
    found = {"latent mean": latent_map.mean, "latent std": latent_map.std}
    if latent_map.fields is not None:
        found |= {"fields": latent_map.fields.mean, "field std": latent_map.fields.std}
    line = latent_map.grid.frame_shape[0] == 1
    return {title: values[:, 0] if line else values for title, values in found.items()}


def as_hyperspy(latent_map: LatentMap) -> Any:
    """Give a HyperSpy signal of the means, with navigation axis latent and signal axes y and x (1D signals: x alone).

    The squares of the standard deviations are its noise variance, ``metadata.Signal.Noise_properties.variance``; names
    and units of the latents and fields are in ``metadata.shiftvae``. A map with fields has them as a second signal of
    the same kind, with navigation axis field, in ``metadata.shiftvae.fields``.

    Raises
    ------
    ImportError
        if HyperSpy is missing.
    """
    hyperspy, arrays = require("hyperspy.api", "LatentMap.to_hyperspy"), signals_of(latent_map)
    line = latent_map.grid.frame_shape[0] == 1
    kind = hyperspy.signals.Signal1D if line else hyperspy.signals.Signal2D
    about = _judged(latent_map)

    def signal_of(title: str, deviations: str, name: str) -> Any:
        mean, std = arrays[title], arrays[deviations]
        axes: list[Any] = [{"name": name, "units": "", "scale": 1.0, "offset": 0.0, "size": len(mean)}]
        images = image_axes(latent_map)[1 if line else 0 :]
        axes += [{**axis, "size": n} for axis, n in zip(images, mean.shape[1:], strict=True)]
        signal = kind(mean.copy(), axes=axes)
        signal.metadata.General.title = title
        signal.metadata.add_dictionary({"shiftvae": about})
        signal.set_noise_variance(kind(np.square(std), axes=axes))
        return signal

    signal = signal_of("latent mean", "latent std", "latent")
    if "fields" in arrays:
        signal.metadata.shiftvae.fields = signal_of("fields", "field std", "field")
    return signal


def as_xarray(latent_map: LatentMap) -> Any:
    """Give an xarray ``Dataset`` with ``mean`` and ``std`` over ``(latent, y, x)``, latents by their names.

    A map with fields also has ``fields`` and ``field_std`` over ``(field, y, x)``.

    Raises
    ------
    ImportError
        if xarray is missing.
    """
    xarray = require("xarray", "LatentMap.to_xarray")
    coords: dict[str, Any] = {
        "latent": list(latent_map.names),
        "latent_unit": ("latent", list(latent_map.units)),
    }
    for axis, count in zip(image_axes(latent_map), latent_map.mean.shape[1:], strict=True):
        centres = axis["offset"] + axis["scale"] * np.arange(count)
        coords[axis["name"]] = (axis["name"], centres, {"units": axis["units"]})
    dims = ("latent", "y", "x")
    values = {"mean": (dims, latent_map.mean.copy()), "std": (dims, latent_map.std.copy())}
    fields = latent_map.fields
    if fields is not None:
        coords |= {"field": list(fields.names), "field_unit": ("field", list(fields.units))}
        over = ("field", "y", "x")
        values |= {"fields": (over, fields.mean.copy()), "field_std": (over, fields.std.copy())}
    return xarray.Dataset(values, coords, _judged(latent_map))


def provenance(latent_map: LatentMap) -> dict[str, Any]:
    """Give the grid, latents, fields and model of a map, as text and numbers."""
    unused = [name for name, varies in zip(latent_map.names, latent_map.varies, strict=True) if not varies]
    fields = latent_map.fields
    known = {} if fields is None else {"field_names": ", ".join(fields.names), "field_units": ", ".join(fields.units)}
    return {
        "latent_names": ", ".join(latent_map.names),
        "latent_units": ", ".join(unit or "1" for unit in latent_map.units),
        "unused_latents": ", ".join(unused),
        **known,
        "window_px": str(latent_map.grid.window),
        "stride_px": latent_map.grid.stride,
        "frame_shape_px": str(latent_map.grid.frame_shape),
        "model_sha256": latent_map.model_sha256,
    }


def _judged(latent_map: LatentMap) -> dict[str, Any]:
    return {**provenance(latent_map), "domain": verdict_text(latent_map.domain)}
