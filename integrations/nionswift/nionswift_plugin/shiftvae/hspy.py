"""HyperSpy's HDF5 files, `.hspy`, in Swift: data, axes and title, after the public description of the format, 3.1."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
from nion.data import Calibration, DataAndMetadata

_FORMAT = ("HyperSpy", "3.1")


class HspyHandler:
    """I/O handler, as Swift's interface wants it. A file with several signals gives the first one by name."""

    io_handler_id = "shiftvae-hspy-io-handler"
    io_handler_name = "HyperSpy files"
    io_handler_extensions = ("hspy",)

    def read_data_and_metadata(self, _: str, file_path: str) -> Any:
        """The signal of `file_path`: HyperSpy's navigation axes are Swift's collection."""
        with h5py.File(file_path, "r") as file:
            experiments = file.get("Experiments", {})
            groups = [group for group in experiments.values() if "data" in group and group["data"].ndim]
            if not groups:
                raise ValueError(f"{file_path} has no signal in Experiments: it is no HyperSpy file")
            group = groups[0]
            data = group["data"][()]
            axes = [dict(group[f"axis-{number}"].attrs) for number in range(data.ndim)]
            navigation = sum(bool(axis.get("navigate", False)) for axis in axes)
            signal = data.ndim - navigation
            if signal not in (1, 2) or navigation > 2:  # what Swift has no word for is a plain array
                navigation, signal = (data.ndim - 2, 2) if 2 <= data.ndim <= 4 else (0, data.ndim)
            about = _attributes(group.get("metadata/shiftvae"))
            return DataAndMetadata.new_data_and_metadata(
                data,
                dimensional_calibrations=[_calibration(axis) for axis in axes],
                metadata={"shiftvae": about} if about else {},
                data_descriptor=DataAndMetadata.DataDescriptor(False, navigation, signal),
            )

    def can_write_data_and_metadata(self, about: Any, _: str) -> bool:
        """True for what HyperSpy has a word for: real or complex numbers, no colours."""
        return not about.is_data_rgb_type

    def write_data_and_metadata(self, xdata: Any, file_path: str, _: str) -> None:
        """Write data, axes and units; a sequence and a collection are navigation axes."""
        navigation = xdata.data_descriptor.is_sequence + xdata.data_descriptor.collection_dimension_count
        with h5py.File(file_path, "w") as file:
            file.attrs["file_format"], file.attrs["file_format_version"] = _FORMAT
            group = file.create_group("Experiments/signal")
            group.create_dataset("data", data=xdata.data, compression="gzip", compression_opts=1)
            for number, (known, size) in enumerate(zip(xdata.dimensional_calibrations, xdata.data_shape, strict=True)):
                axis = group.create_group(f"axis-{number}")
                axis.attrs.update(_axis(known, size, navigate=number < navigation))
                axis.attrs.update({"name": "zyx"[number - xdata.datum_dimension_count], "index_in_array": number})
            group.create_group("metadata/General").attrs["title"] = ""
            group.create_group("metadata/Signal").attrs["signal_type"] = ""
            about = group.create_group("metadata/shiftvae").attrs
            for name, value in xdata.metadata.get("shiftvae", {}).items():
                if isinstance(value, (str, int, float)):
                    about[name] = value
            group.create_group("original_metadata")


def _calibration(axis: dict[str, Any]) -> Any:
    """HyperSpy's offset is the centre of the first pixel, and Swift's is its edge."""
    scale, offset = float(axis.get("scale", 1.0)), float(axis.get("offset", 0.0))
    units = axis.get("units", "")
    return Calibration.Calibration(offset - scale / 2, scale, units if isinstance(units, str) else "")


def _axis(known: Any, size: int, *, navigate: bool) -> dict[str, Any]:
    about = {"_type": "UniformDataAxis", "size": size, "navigate": navigate, "is_binned": False}
    return {**about, "scale": known.scale, "offset": known.offset + known.scale / 2, "units": known.units or ""}


def _attributes(group: Any) -> dict[str, Any]:
    """Text and numbers of a group, as Swift's metadata can hold them."""
    found = {} if group is None else dict(group.attrs)
    return {
        name: value.item() if isinstance(value, np.generic) else value
        for name, value in found.items()
        if isinstance(value, (str, int, float, np.generic))
    }
