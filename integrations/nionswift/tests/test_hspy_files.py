"""HyperSpy's files in Swift: those of `shiftvae map`, and back and forth."""

from __future__ import annotations

import subprocess
from pathlib import Path

import h5py
import numpy as np
import pytest
from conftest import ROOT, RUNTIME, Runtime
from nion.data import Calibration, DataAndMetadata


@pytest.fixture
def handler(plug_in_path: None):
    from nionswift_plugin.shiftvae.hspy import HspyHandler

    return HspyHandler()


def test_maps_of_the_command_line_are_opened_with_their_axes(handler, runtime: Runtime, tmp_path: Path) -> None:
    frame = np.random.default_rng(0).poisson(40, (64, 48)).astype(np.float32)
    np.save(tmp_path / "frame.npy", frame)
    command = [RUNTIME, "-m", "shiftvae_rt", "map", runtime.models / "one.svae", tmp_path / "frame.npy"]
    subprocess.run([*command, "-o", tmp_path / "map.hspy"], check=True, timeout=60, cwd=ROOT, capture_output=True)
    xdata = handler.read_data_and_metadata("hspy", str(tmp_path / "map.hspy"))
    with h5py.File(tmp_path / "map.hspy") as file:
        group = file["Experiments"][sorted(file["Experiments"])[0]]
        np.testing.assert_array_equal(xdata.data, group["data"][()])
        axis = group[f"axis-{group['data'].ndim - 1}"].attrs
        x = xdata.dimensional_calibrations[-1]
        assert x.convert_to_calibrated_value(0.5) == pytest.approx(axis["offset"])
        assert (x.scale, x.units) == (pytest.approx(axis["scale"]), axis["units"])
    assert xdata.data_descriptor.collection_dimension_count == 1
    assert len(xdata.metadata["shiftvae"]["model_sha256"]) == 64


@pytest.mark.parametrize(("shape", "collection", "datum"), [((5, 7), 0, 2), ((3, 5, 7), 1, 2), ((9,), 0, 1)])
def test_what_is_saved_is_read_again(handler, tmp_path: Path, shape, collection: int, datum: int) -> None:
    values = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    xdata = DataAndMetadata.new_data_and_metadata(
        values,
        dimensional_calibrations=[Calibration.Calibration(-1.5 * i, 0.1 * (i + 1), "nm") for i in range(len(shape))],
        metadata={"shiftvae": {"quantity": "z1", "frame": 7}},
        data_descriptor=DataAndMetadata.DataDescriptor(False, collection, datum),
    )
    assert handler.can_write_data_and_metadata(xdata.data_metadata, "hspy")
    handler.write_data_and_metadata(xdata, str(tmp_path / "item.hspy"), "hspy")
    again = handler.read_data_and_metadata("hspy", str(tmp_path / "item.hspy"))
    np.testing.assert_array_equal(again.data, values)
    assert again.data_descriptor == xdata.data_descriptor
    for found, known in zip(again.dimensional_calibrations, xdata.dimensional_calibrations, strict=True):
        assert (found.offset, found.scale) == (pytest.approx(known.offset), pytest.approx(known.scale))
    assert again.metadata["shiftvae"] == {"quantity": "z1", "frame": 7}


def test_a_file_without_a_signal_is_said_to_be_none(handler, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.hspy", "w") as file:
        file["x"] = 1
    with pytest.raises(ValueError, match="no signal"):
        handler.read_data_and_metadata("hspy", str(tmp_path / "other.hspy"))
