"""Every kind of file that the page reads gives the pixels and the pixel size that the runtime reads from it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from dm_writer import dm_file
from test_web_page import assert_equal, scan_of
from tiny_models import tiny_manifest, tiny_members, tiny_weights
from web_support import LIMIT_S, Visit

from shiftvae_rt import LatentMapper, read_frames
from shiftvae_rt.model.model_file import write_model_file

SHAPE = (52, 61)
#: Ways in which a TIFF is written.
TIFF = {
    "plain": {},
    "big-endian": {"byteorder": ">"},
    "bigtiff": {"bigtiff": True},
    "lzw": {"compression": "lzw"},
    "deflate": {"compression": "zlib", "predictor": True, "rowsperstrip": 7},
    "packbits": {"compression": "packbits"},
    "tiles": {"tile": (16, 32), "compression": "zlib"},
    "float32": {},
    "inverted": {"photometric": "miniswhite"},
    "imagej": {"imagej": True, "resolution": (50.0, 50.0), "metadata": {"unit": "nm"}},
    "ome": {"ome": True, "metadata": {"axes": "YX", "PhysicalSizeX": 2e-5, "PhysicalSizeY": 2e-5}},
}


def scan(dtype: str = "uint16") -> np.ndarray:
    return scan_of(SHAPE).astype(dtype)


def write(path: Path) -> Path:
    """A file by its name, ``WAY.ENDING``."""
    way, ending = path.stem, path.suffix
    if ending == ".npy":
        np.save(path, scan().astype(way))
    elif ending in (".dm3", ".dm4"):
        path.write_bytes(dm_file(scan(way), version=int(ending[-1]), pixel_nm=0.02))
    elif ending == ".tif":
        tifffile = pytest.importorskip("tifffile")
        tifffile.imwrite(path, scan("float32" if way == "float32" else "uint16"), **TIFF[way])
    else:
        image = pytest.importorskip("PIL.Image")
        grey = (scan() // 2).astype(np.uint8)
        rgb = np.stack([grey, grey // 2, 255 - grey], axis=-1)
        {
            "grey16": lambda: image.fromarray(scan()),
            "grey8": lambda: image.fromarray(grey),
            "rgb": lambda: image.fromarray(rgb),
            "equal": lambda: image.fromarray(np.stack([grey] * 3, axis=-1)),
            "palette": lambda: image.fromarray(rgb).quantize(64),
            "alpha": lambda: image.fromarray(np.dstack([rgb, grey])),
        }[way]().save(path)
    return path


NAMES = (
    *(f"{kind}.npy" for kind in ("uint8", "int16", "int32", "uint32", "float32", "float64", ">u2", ">f4")),
    *(f"{way}.tif" for way in TIFF),
    *(f"{kind}.{ending}" for ending in ("dm3", "dm4") for kind in ("uint16", "float32")),
    *(f"{way}.png" for way in ("grey16", "grey8", "rgb", "equal", "palette", "alpha")),
)


@pytest.mark.parametrize("name", NAMES)
def test_each_format_is_read_as_the_runtime_reads_it(visit: Visit, tiny_model: Path, tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name)
    visit.give(tiny_model, path)
    assert visit.wrong == ""
    frame = read_frames(path)[0]
    found = visit.archive()
    computed = path.suffix == ".png" and frame.pixels.dtype == np.float32  # of colours, in other floats
    assert_equal(found, LatentMapper(tiny_model), frame.pixels, exact=not computed)
    size = found["pixel_size_nm"] if frame.pixel_size_nm is not None else np.isnan(found["pixel_size_nm"])
    np.testing.assert_allclose(size, frame.pixel_size_nm or (True, True), rtol=1e-5)
    visit.assert_quiet()


@pytest.mark.parametrize("ending", ["npy", "tif", "dm4"])
def test_a_stack_is_mapped_frame_by_frame(visit: Visit, tiny_model: Path, tmp_path: Path, ending: str) -> None:
    stack, path = np.stack([scan_of(SHAPE, seed) for seed in range(3)]), tmp_path / f"stack.{ending}"
    if ending == "npy":
        np.save(path, stack)
    elif ending == "tif":
        pytest.importorskip("tifffile").imwrite(path, stack, imagej=True, metadata={"axes": "TYX"})
    else:
        path.write_bytes(dm_file(stack, version=4, pixel_nm=0.02, thumbnail=True))
    visit.give(path, tiny_model)
    assert "of 3" in visit.browser.text("header")
    visit.set("frame", 3)
    visit.browser.until("shiftvae.mapped > 1", LIMIT_S)
    assert_equal(visit.archive(), LatentMapper(tiny_model), stack[2])


@pytest.mark.parametrize("name", ["BTO_crystal_1.dm4", "example_Se_implanted_MoS2.dm3", "Grain_boundry_gold_512px.png"])
def test_real_files_are_read_as_the_runtime_reads_them(
    visit: Visit, real_data: Callable[[str], Path], tmp_path: Path, name: str
) -> None:
    path, weights, model = real_data(name), tiny_weights(), tmp_path / "any.svae"
    write_model_file(model, tiny_manifest(weights, pixel_size_nm=None), tiny_members(weights))
    visit.give(path, model)
    assert visit.wrong == ""
    frame, found = read_frames(path)[0], visit.archive()
    assert_equal(found, LatentMapper(model), frame.pixels)
    if frame.pixel_size_nm is not None:
        np.testing.assert_allclose(found["pixel_size_nm"], frame.pixel_size_nm, rtol=1e-5)
