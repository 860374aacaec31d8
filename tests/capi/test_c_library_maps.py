"""The C library gives the maps of `LatentMapper` to the bit: any dtype, stride and number of channels, in any parts."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import msgspec
import numpy as np
import pytest
from c_library import TYPES, CModel, Library, RefusedError
from tiny_models import tiny_domain, tiny_manifest, tiny_members, tiny_weights, write_tiny_model

from shiftvae_rt import LatentMapper
from shiftvae_rt.model.model_file import write_model_file

STRIDES = (1, 2, 4, 8, 16)
pytestmark = pytest.mark.timeout(600)  # the first of them builds the library


def frame_of(dtype: str, channels: int, *, seed: int = 0, shape: tuple[int, int] = (53, 67)) -> np.ndarray:
    """A frame that uses the range of its dtype: counts, signed steps, or a signal beside a large offset.

    The offset is 5000 times the deviation, where sums of squares in float64 lose digits unless a constant is taken off.
    """
    rng = np.random.default_rng(seed)
    size = (channels, *shape)
    if dtype == "uint8":
        return rng.poisson(60, size).astype(dtype)
    if dtype in ("float32", "float64"):
        return (30_000 + 6 * rng.normal(size=size)).astype(dtype)
    low, high = {"uint16": (200, 60000), "int16": (-30000, 30000)}.get(dtype, (1_000_000_000, 1_000_700_000))
    return rng.integers(low, high, size).astype(dtype)


def bands_of(rng: np.random.Generator, height: int) -> list[tuple[int, int]]:
    """Parts of a frame, some of a single line, some of none."""
    ends = np.sort(rng.integers(0, height + 1, rng.integers(1, 12)))
    edges = [0, *ends.tolist(), height]
    return list(pairwise(edges))


def assert_same(found: tuple[np.ndarray, np.ndarray], wanted) -> None:
    np.testing.assert_array_equal(found[0].view(np.uint32), wanted.mean.view(np.uint32))
    np.testing.assert_array_equal(found[1].view(np.uint32), wanted.std.view(np.uint32))


def in_parts(model: CModel, frame: np.ndarray, bands: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """The map of a frame that comes in these bands; the rows that are named as new are those that were written."""
    scan, done = model.begin(frame), 0
    for first, last in bands:
        before = scan.mean.copy()
        first_row, rows = scan.push(frame[:, first:last])
        assert first_row == done
        done += rows
        assert (scan.mean[:, done:] == 12345).all()
        np.testing.assert_array_equal(scan.mean[:, :first_row], before[:, :first_row])
    assert done == scan.mean.shape[1]
    return scan.mean, scan.std


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("stride", STRIDES)
def test_every_dtype_has_the_bits_of_python_whole_and_in_bands(library: Library, models, stride, channels):
    mapper, model = LatentMapper(models[channels], stride=stride), library.open(models[channels], stride)
    for number, dtype in enumerate(TYPES):
        rng = np.random.default_rng([stride, channels, number])
        frame = frame_of(dtype, channels, seed=number)
        wanted = mapper.map(frame)
        assert_same(model.map(frame), wanted)
        assert_same(in_parts(model, frame, bands_of(rng, frame.shape[1])), wanted)


@pytest.mark.parametrize("options", [{}, {"channels": 2}, {"dimensions": 1}], ids=["2D", "two channels", "1D"])
@pytest.mark.parametrize("stride", [1, 2, 8, 12])
def test_features_that_turn_have_the_bits_of_python(library: Library, tmp_path, stride, options):
    path = write_tiny_model(tmp_path / "turning.svae", turning=True, **options)
    mapper, model = LatentMapper(path, stride=stride), library.open(path, stride)
    flat, channels = "dimensions" in options, options.get("channels", 1)
    for number, dtype in enumerate(TYPES):
        frame = frame_of(dtype, channels, seed=number, shape=(1, 167) if flat else (53, 67))
        wanted = mapper.map(frame[:, 0] if flat else frame)
        assert_same(model.map(frame), wanted)
        assert_same(in_parts(model, frame, bands_of(np.random.default_rng(number), frame.shape[1])), wanted)


@pytest.mark.parametrize("stride", [3, 12, 24, 40])
def test_other_multiples_of_a_stride_too(library: Library, models, stride):
    frame = frame_of("uint16", 1, shape=(90, 90))
    wanted = LatentMapper(models[1], stride=stride).map(frame)
    model = library.open(models[1], stride)
    assert_same(model.map(frame), wanted)
    assert_same(in_parts(model, frame, [(y, y + 1) for y in range(90)]), wanted)


@pytest.mark.parametrize("dtype", TYPES)
def test_a_frame_that_comes_line_by_line_has_the_bits_of_the_whole(library: Library, models, dtype):
    frame, model = frame_of(dtype, 2), library.open(models[2], 2)
    assert_same(
        in_parts(model, frame, [(y, y + 1) for y in range(frame.shape[1])]),
        LatentMapper(models[2], stride=2).map(frame),
    )


def test_a_line_signal_is_a_frame_of_height_one(library: Library, tiny_line_model):
    signal = frame_of("float32", 1, shape=(1, 300))
    wanted = LatentMapper(tiny_line_model, stride=4).map(signal[:, 0])
    assert_same(library.open(tiny_line_model, 4).map(signal), wanted)


def test_lines_and_channels_may_lie_anywhere(library: Library, models):
    memory = frame_of("uint16", 3, shape=(80, 100))
    model, mapper = library.open(models[2], 4), LatentMapper(models[2], stride=4)
    line_by_line = np.ascontiguousarray(memory[:2].transpose(1, 0, 2)).transpose(1, 0, 2)
    for view in (memory[::2, 3:60, 5:90], memory[1:, ::-1, :], line_by_line):
        assert_same(model.map(view), mapper.map(np.ascontiguousarray(view)))


def test_frames_larger_than_one_run_of_the_encoder(library: Library, models):
    frame = frame_of("uint16", 1, shape=(300, 280))
    wanted = LatentMapper(models[1], stride=1).map(frame)
    model = library.open(models[1], 1)
    assert_same(model.map(frame), wanted)
    assert_same(in_parts(model, frame, bands_of(np.random.default_rng(5), 300)), wanted)


def test_scans_of_one_model_run_side_by_side_and_outlive_it(library: Library, models):
    frames = [frame_of("uint16", 1, seed=seed, shape=(120, 120)) for seed in range(4)]
    model = library.open(models[1], 2)
    scans = [model.begin(frame) for frame in frames]
    library.c.sv_close(model.handle)
    model.handle = None  # the scans are still in use

    def run(scan, frame) -> None:
        for y in range(0, 120, 8):
            scan.push(frame[:, y : y + 8])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run, scans, frames))
    mapper = LatentMapper(models[1], stride=2)
    for scan, frame in zip(scans, frames, strict=True):
        assert_same((scan.mean, scan.std), mapper.map(frame))


@pytest.mark.parametrize("stride", [1, 4, 16])
def test_fields_are_those_of_python(library: Library, tmp_path, stride):
    weights = tiny_weights()
    domain = tiny_domain(weights, strain=((0.01, 0.002), (-0.003, 0.004)))
    manifest = tiny_manifest(weights, domain=domain, pixel_size_nm=(0.02, 0.025))
    path = tmp_path / "strained.svae"
    write_model_file(path, manifest, tiny_members(weights))
    frame = frame_of("uint16", 1, shape=(150, 130))
    wanted, model = LatentMapper(path, stride=stride).map(frame), library.open(path, stride)
    mean, std = model.fields(frame, *model.map(frame))
    np.testing.assert_array_equal(mean.view(np.uint32), wanted.fields.mean.view(np.uint32))
    np.testing.assert_allclose(std, wanted.fields.std, rtol=1e-6)


@pytest.mark.parametrize("stride", [1, 8])
def test_maps_and_fields_of_several_grains_are_those_of_python(library: Library, tmp_path, stride):
    weights = tiny_weights(grains=3)
    manifest = tiny_manifest(weights, pixel_size_nm=(0.02, 0.025))
    strained = msgspec.structs.replace(manifest.grains[1], strain=((0.01, 0.002), (-0.003, 0.004)))
    manifest = msgspec.structs.replace(manifest, grains=(manifest.grains[0], strained, manifest.grains[2]))
    path = tmp_path / "grains.svae"
    write_model_file(path, manifest, tiny_members(weights))
    frame = frame_of("uint16", 1, shape=(110, 130))
    wanted, model = LatentMapper(path, stride=stride).map(frame), library.open(path, stride)
    assert set(np.unique(wanted["grain"])) >= {-1, 0, 1, 2}
    found = model.map(frame)
    assert_same(found, wanted)
    mean, std = model.fields(frame, *found)
    np.testing.assert_array_equal(mean, wanted.fields.mean[:6])  # NaN where there is no grain
    np.testing.assert_allclose(std, wanted.fields.std[:6], rtol=1e-6)


@pytest.mark.parametrize("orders", [1, 2])
def test_degree_of_order_and_antiphase_are_those_of_python(library: Library, tmp_path, orders):
    weights = tiny_weights(orders=orders)
    manifest = tiny_manifest(weights, domain=tiny_domain(weights, strain=((0.01, 0.002), (-0.003, 0.004))))
    path = tmp_path / "ordered.svae"
    write_model_file(path, manifest, tiny_members(weights))
    frame = frame_of("uint16", 1, shape=(150, 130))
    wanted, model = LatentMapper(path).map(frame), library.open(path)
    found = model.map(frame)
    assert_same(found, wanted)
    mean, std = model.order(frame, *found)
    assert len(mean) == 2 * orders
    np.testing.assert_array_equal(mean.view(np.uint32), wanted.fields.mean[6:].view(np.uint32))
    np.testing.assert_array_equal(std.view(np.uint32), wanted.fields.std[6:].view(np.uint32))


def test_a_model_without_order_refuses_to_tell_it(library: Library, models):
    frame = frame_of("uint16", 1)
    model = library.open(models[1], 4)
    assert library.c.sv_orders(model.handle) == 0
    with pytest.raises(RefusedError, match="no order latents"):
        model.order(frame, *model.map(frame))


def test_the_model_says_what_it_is(library: Library, models):
    model, mapper = library.open(models[2], 4), LatentMapper(models[2])
    names = [library.c.sv_latent_name(model.handle, i) for i in range(5)]
    units = [library.c.sv_latent_unit(model.handle, i) for i in range(-1, 4)]
    assert names == [b"dy", b"dx", b"z1", b"z2", None]
    assert units == [None, b"px", b"px", b"", b""]
    assert library.c.sv_channels(model.handle) == 2
    assert library.c.sv_manifest(model.handle) == mapper.model.graph("manifest.json")
    assert library.c.sv_abi_version() == 1
