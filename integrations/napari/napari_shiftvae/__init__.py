"""napari: opens the `.npz` of `shiftvae map`, one layer for each latent and field, in nm and with its unit."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["get_reader", "read_layers"]

Layer = tuple[np.ndarray, dict[str, Any], str]
#: Members that tell a latent map from another archive.
_OURS = {"mean.npy", "names.npy", "units.npy", "model_sha256.npy", "centre_y_px.npy"}


def get_reader(path: str | os.PathLike[str] | list[str]) -> Callable[[Any], list[Layer]] | None:
    """Reader for `path` if it is a latent map, else None, and napari asks its other plug-ins."""
    if isinstance(path, list) or not zipfile.is_zipfile(path):
        return None
    with zipfile.ZipFile(path) as archive:
        return read_layers if set(archive.namelist()) >= _OURS else None


def read_layers(path: str | os.PathLike[str]) -> list[Layer]:
    """Layers of all latents and fields; of several frames, the first axis is that of the frames."""
    with np.load(path) as maps:
        edges = maps["pixel_size_nm"]
        known = bool(np.isfinite(edges).all())
        y, x = (maps[f"centre_{axis}_px"] * (edge if known else 1.0) for axis, edge in zip("yx", edges, strict=True))
        scale = [float(each[1] - each[0]) if len(each) > 1 else 1.0 for each in (y, x)]
        about = {
            "translate": (float(y[0]), float(x[0])),
            "scale": tuple(scale),
            "units": ("nm" if known else "pixel",) * 2,
        }
        planes = [("mean", "names", "units")] + ([("fields", "field_names", "field_units")] if "fields" in maps else [])
        layers: list[Layer] = []
        for values, names, units in planes:
            for number, (name, unit) in enumerate(zip(maps[names], maps[units], strict=True)):
                image = maps[values][..., number, :, :]
                words = {"unit": str(unit), "model_sha256": str(maps["model_sha256"]), "source": str(maps["source"])}
                signed = values == "fields"
                options = {
                    "name": f"{name} ({unit})" if unit else str(name),
                    "colormap": "twilight_shifted" if signed else "viridis",
                    "metadata": words,
                    "visible": not layers,
                }
                layers.append((image, {**options, **_placed(about, image.ndim)}, "image"))
        return layers


def _placed(about: dict[str, Any], axes: int) -> dict[str, Any]:
    """`about` for an image with leading axes, which count frames."""
    leading = axes - 2
    return {
        "translate": (0.0,) * leading + about["translate"],
        "scale": (1.0,) * leading + about["scale"],
        "units": ("pixel",) * leading + about["units"],
    }
