"""Latent maps as HyperSpy's HDF5 (.hspy), written with h5py alone.

The layout is version 3.1 of the public description of the format: one group for each signal below ``Experiments``, in
it ``data``, one group ``axis-N`` for each axis, ``metadata`` and ``original_metadata``. Neither SWMR nor the latest
HDF5 library version is requested, so that all common readers open it.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import __version__
from ...latent_exchange import image_axes
from ...output_file import whole_or_nothing
from ...verdict import verdict_text

if TYPE_CHECKING:
    from ...latent_map import LatentMap

__all__ = ["write"]


def write(path: Path, maps: Sequence[LatentMap], several: bool) -> None:
    """Write the signals ``latent mean`` and ``latent std`` with axes (frame), latent, y, x; without y for 1D signals.

    If the model knows its domain, also ``out of domain``, the scores of the windows, as a single latent. `several`
    keeps the frame axis.
    """
    first = maps[0]
    axes: list[dict[str, Any]] = [{"name": "latent", "navigate": True, "units": "", "scale": 1.0, "offset": 0.0}]
    if several:
        axes.insert(0, {**axes[0], "name": "frame"})
    signal = first.grid.frame_shape[0] == 1
    axes += [{**axis, "navigate": False} for axis in image_axes(first)[1 if signal else 0 :]]
    provenance = {
        "software": f"shiftvae-rt {__version__}",
        "model_sha256": first.model_sha256,
        "latent_names": ", ".join(first.names),
        "latent_units": ", ".join(unit or "1" for unit in first.units),
        "unused_latents": ", ".join(name for name, varies in zip(first.names, first.varies, strict=True) if not varies),
        "window_px": str(first.grid.window),
        "stride_px": first.grid.stride,
        "frame_shape_px": str(first.grid.frame_shape),
        "out_of_domain": [each.domain is not None and each.domain.out_of_domain for each in maps],
        "domain_score": [np.nan if each.domain is None else each.domain.score for each in maps],
        "domain_reason": "\n".join("" if each.domain is None else each.domain.reason for each in maps)[:60_000],
    }
    notes = "\n".join(verdict_text(each.domain) for each in maps)[:60_000]
    signals = {"latent mean": [each.mean for each in maps], "latent std": [each.std for each in maps]}
    scores = [each.window_scores[np.newaxis] for each in maps if each.window_scores is not None]
    if len(scores) == len(maps):
        signals["out of domain"] = scores
    with whole_or_nothing(path, "h5py") as part:
        import h5py

        content = io.BytesIO()  # in memory first: the HDF5 library ends the process if the disk is full
        with h5py.File(content, "w") as file:
            file.attrs["file_format"] = "HyperSpy"
            file.attrs["file_format_version"] = "3.1"
            for title, arrays in signals.items():
                data = np.stack(arrays)
                data = data if several else data[0]
                data = data[..., 0, :] if signal else data
                group = file.create_group(f"Experiments/{title}")
                group.create_dataset("data", data=data, compression="gzip", compression_opts=1)
                for number, (axis, size) in enumerate(zip(axes, data.shape, strict=True)):
                    about = {"_type": "UniformDataAxis", "index_in_array": number, "is_binned": False, "size": size}
                    group.create_group(f"axis-{number}").attrs.update({**axis, **about})
                group.create_group("metadata/General").attrs.update({"title": title, "notes": notes})
                group.create_group("metadata/Signal").attrs["signal_type"] = ""
                group.create_group("metadata/shiftvae").attrs.update(provenance)
                group.create_group("original_metadata")
        part.write_bytes(content.getbuffer())
