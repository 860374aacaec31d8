"""A frame becomes a latent map, exactly, or it is refused with a reason."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from mapper_support import assert_same, counts
from reference_network import products, turned
from tiny_models import tiny_weights, write_tiny_model

import shiftvae_rt.encode.bands
from shiftvae_rt import (
    FrameError,
    LatentMapper,
    ModelFile,
    PixelSizeError,
    WindowError,
    extract_windows,
)
from shiftvae_rt.encode.modulo import modulo_lattice


def assert_close(one, other, lattice, tolerance=1e-4) -> None:
    """Equal within `tolerance`, shifts modulo the lattice."""
    off = one.mean.astype(float) - other.mean
    axes = off.shape[0] - 2
    off[:axes] = modulo_lattice(off[:axes], lattice)
    assert np.abs(off).max() < tolerance
    np.testing.assert_allclose(one.std, other.std, atol=tolerance)


def slow_encoder(weights, frame, stride):
    """The encoder window by window in float64: mean and sd ``(L, rows, cols)``, phases as they come (no wrapping)."""
    scale = np.asarray(weights.channel_scale)[:, None, None]
    windows = extract_windows(frame * scale, weights.window, stride, normalisation="zscore", sd_floor=weights.sd_floor)
    rows, cols = windows.shape[:2]
    mean, std = [], []
    for window in windows.astype(np.float64).reshape(rows * cols, *windows.shape[2:]):
        x = window
        for layer in weights.stem:
            x = convolve(x, layer.weight.astype(np.float64), layer.dilation)
            x = np.maximum(x, 0) if weights.stem_relu else x
        if weights.turn is not None:
            x, phasors = turned(weights.turn, x)
        x = x[:, 0, 0]
        for index, (weight, bias) in enumerate(weights.head):
            x = weight.astype(np.float64) @ (np.tanh(x) if index else x) + bias
        k = len(weights.lattice)
        cosine, sine, log_width, content, log_sd = np.split(x, [k, 2 * k, 3 * k, 3 * k + weights.content])
        if weights.turn is not None:
            phases = (cosine + 1j * sine) * products(phasors, weights.turn.phases)[:, 0, 0]
            cosine, sine = phases.real, phases.imag
        to_px = weights.lattice[:, 2 - weights.dimensions :] / (2 * np.pi)
        width = np.exp(np.clip(log_width, -8, 0.5 * np.log(2 * np.pi / np.e)))
        mean.append(np.concatenate([np.arctan2(sine, cosine) @ to_px, content]))
        std.append(np.concatenate([np.sqrt(width**2 @ to_px**2), np.exp(np.clip(log_sd, -8, 2))]))
    return tuple(np.array(a).T.reshape(-1, rows, cols) for a in (mean, std))


def convolve(x, weight, dilation):
    """Valid convolution of ``x (in, h, w)`` with ``weight (out, in, kh, kw)``."""
    kh, kw = weight.shape[2:]
    h, w = x.shape[1] - dilation * (kh - 1), x.shape[2] - dilation * (kw - 1)
    out = np.zeros((weight.shape[0], h, w))
    for i in range(kh):
        for j in range(kw):
            part = x[:, i * dilation : i * dilation + h, j * dilation : j * dilation + w]
            out += np.tensordot(weight[:, :, i, j], part, axes=1)
    return out


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ({}, (1, 40, 52)),
        ({"channels": 2}, (2, 33, 30)),
        ({"dimensions": 1}, (1, 1, 90)),
        ({"dimensions": 1, "channels": 3}, (3, 1, 60)),
        ({"turning": True}, (1, 40, 52)),
        ({"turning": True, "channels": 2}, (2, 33, 30)),
        ({"turning": True, "dimensions": 1}, (1, 1, 90)),
    ],
    ids=[
        *("2D", "2D, two channels", "1D", "1D, three channels"),
        *("2D, turning", "2D, two channels, turning", "1D, turning"),
    ],
)
@pytest.mark.parametrize("stride", [4, 8])
def test_a_map_is_that_of_the_slow_encoder(tmp_path, options, shape, stride):
    weights = tiny_weights(**options)
    frame = counts(shape)
    made = LatentMapper(write_tiny_model(tmp_path / "m.svae", **options), stride=stride)
    result = made.map(frame if weights.dimensions == 2 else frame[:, 0])
    mean, std = slow_encoder(weights, frame.astype(np.float64), stride)
    axes = weights.dimensions
    off = result.mean - mean
    off[:axes] = modulo_lattice(off[:axes], weights.lattice)
    assert np.abs(off).max() < 2e-4
    assert mean[:axes].std() > 0.02  # the weights make something of the frame
    assert mean[axes:].std() > 0.02
    np.testing.assert_allclose(result.std, std, rtol=2e-4)


def test_a_map_says_what_it_is(mapper, tiny_model):
    result = mapper.map(counts((60, 70)))
    assert result.names == ("dy", "dx", "z1", "z2")
    assert result.units == ("px", "px", "", "")
    assert result.varies == (True,) * 4
    assert result.mean.shape == result.std.shape == (4, 12, 14)
    assert result.mean.dtype == result.std.dtype == np.float32
    assert result.model_sha256 == ModelFile.read(tiny_model).sha256
    assert result.pixel_size_nm is None  # nobody said what it is, and the model's is not it
    assert result.complete
    np.testing.assert_array_equal(result.centre_y_px, 7.5 + 4 * np.arange(12))
    np.testing.assert_array_equal(result.centre_x_px, 7.5 + 4 * np.arange(14))
    assert mapper.window == (16, 16)


def test_shifts_lie_in_the_cell(mapper):
    assert np.abs(mapper.map(counts((90, 90))).mean[:2]).max() <= 5 + 1e-5


def test_coarser_strides_take_every_so_many_windows_of_finer_ones(mappers):
    frame = counts((83, 91))
    finest = mappers[1].map(frame)
    for stride, mapper in mappers.items():
        result = mapper.map(frame)
        assert result.mean.shape[1:] == (67 // stride + 1, 75 // stride + 1)
        part = type(finest)(
            **{**vars(finest), "mean": finest.mean[:, ::stride, ::stride], "std": finest.std[:, ::stride, ::stride]}
        )
        assert_close(result, part, [(10, 0), (0, 10)])


@pytest.mark.parametrize("stride", [0, -4, 3, 6])
def test_a_stride_that_the_model_does_not_have_is_refused(tiny_model, stride):
    model = ModelFile.read(tiny_model)
    object.__setattr__(model, "manifest", msgspec.structs.replace(model.manifest, strides=(4, 8)))
    with pytest.raises(WindowError, match=rf"strides \(4, 8\), got {stride}"):
        LatentMapper(model, stride=stride)


@pytest.mark.parametrize("stride", [1, 4, 16])
def test_a_large_frame_in_bands_equals_one_run(mappers, monkeypatch, stride):
    frame = counts((120, 64))
    whole = mappers[stride].map(frame)
    for pixels in (64 * 16, 64 * 40, 1):
        monkeypatch.setattr(shiftvae_rt.encode.bands, "BAND_PIXELS", pixels)
        assert_same(mappers[stride].map(frame), whole)


def test_a_large_offset_changes_nothing(mapper):
    """float32 has 7 digits: 60000 counts with a deviation of 3 would keep three of them."""
    plain = np.clip(np.random.default_rng(0).normal(20, 3, size=(64, 64)), 0, None).astype(np.uint16)
    raised = mapper.map(plain + np.uint16(60000))
    assert_close(raised, mapper.map(plain), [(10, 0), (0, 10)])
    assert_close(raised, mapper.map(plain.astype(np.float64) + 60000), [(10, 0), (0, 10)])


@pytest.mark.parametrize("offset", [0.3, 33.3, 1e4])
def test_a_large_offset_of_a_small_signal_changes_nothing(mapper, offset):
    """Heights far below 1 on an offset that is no whole number."""
    heights = 2e-2 * np.random.default_rng(0).normal(size=(64, 64))
    assert_close(mapper.map(heights + offset), mapper.map(heights), [(10, 0), (0, 10)])


def test_a_brighter_frame_gives_the_same_map(mapper):
    frame = counts((64, 64)).astype(np.float64)
    assert_close(mapper.map(frame * 7 + 1000), mapper.map(frame), [(10, 0), (0, 10)])


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "uint32", "int32", "float32", "float64", ">u2", ">f4"])
def test_the_dtype_of_a_frame_changes_nothing(mapper, dtype):
    frame = np.minimum(counts((40, 40), level=50), 250)
    assert_same(mapper.map(frame.astype(dtype)), mapper.map(frame))
    scan = mapper.begin_scan(frame.shape, dtype=dtype)
    scan.push_rows(frame.astype(dtype))
    assert_same(scan.result(), mapper.map(frame))


def test_the_frame_is_not_changed_and_its_memory_order_is_free(mapper):
    frame = counts((40, 50))
    kept = frame.copy()
    straight = mapper.map(frame)
    np.testing.assert_array_equal(frame, kept)
    assert_same(mapper.map(np.asfortranarray(frame)), straight)
    assert_same(mapper.map(np.repeat(frame, 2, axis=1)[:, ::2]), straight)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: np.where(f == f.max(), np.nan, f.astype(float)), "of 1600 pixels are NaN or infinite"),
        (lambda f: np.where(f == f.max(), np.inf, f.astype(np.float32)), "of 1600 pixels are NaN or infinite"),
        (lambda f: np.full_like(f, 7), "the frame is constant .every pixel is 7."),
        (lambda f: f.astype(complex), "expected pixels of dtype uint8, .* got complex128"),
        (lambda f: f > 0, "got bool"),
        (lambda f: f.astype(np.int64), "got int64"),
        (lambda f: f[0], r"expected a 2D frame of shape \(height, width\) .* got shape \(40,\)"),
        (lambda f: f[None, None], r"got shape \(1, 1, 40, 40\)"),
        (lambda f: f[:0], r"got shape \(0, 40\)"),
        (lambda f: np.stack([f, f]), r"1 channel\(s\), 40 px .* got uint16 of shape \(2, 40, 40\)"),
    ],
    ids=["NaN", "infinity", "constant", "complex", "bool", "int64", "1D", "4D", "empty", "two channels"],
)
def test_a_frame_that_cannot_be_encoded_is_refused(mapper, change, message):
    with pytest.raises(FrameError, match=message):
        mapper.map(change(counts((40, 40))))


def test_a_frame_for_a_line_model_and_the_other_way_round_are_refused(lines, mapper):
    with pytest.raises(FrameError, match=r"expected a 1D frame of shape \(length,\)"):
        lines.map(counts((2, 3, 40)))
    with pytest.raises(FrameError, match="channel"):
        lines.map(counts((40, 40)))
    with pytest.raises(FrameError, match="expected a 2D frame"):
        mapper.map(counts((1, 40))[0])


@pytest.mark.parametrize("shape", [(15, 40), (40, 15)])
def test_a_frame_smaller_than_the_window_is_refused(mapper, shape):
    with pytest.raises(WindowError, match=rf"the frame is {shape[0]} x {shape[1]} px .* window of 16 x 16 px"):
        mapper.map(counts(shape))
    with pytest.raises(WindowError):
        mapper.begin_scan(shape)


def test_a_line_shorter_than_the_window_is_refused(lines):
    with pytest.raises(WindowError, match="the frame is 1 x 15 px"):
        lines.map(counts((1, 15))[0])


def test_a_frame_with_one_flat_channel_is_mapped(two_channels):
    frame = counts((2, 40, 40))
    frame[1] = 5
    assert np.isfinite(two_channels.map(frame).mean).all()
    frame[0] = 9
    with pytest.raises(FrameError, match="constant"):
        two_channels.map(frame)


def test_a_flat_corner_gives_finite_numbers(mapper):
    frame = counts((64, 64))
    frame[:32, :32] = 100
    result = mapper.map(frame)
    assert np.isfinite(result.mean).all()
    assert np.isfinite(result.std).all()


@pytest.mark.parametrize("factor", [0.96, 1.04, 50])
def test_another_pixel_size_is_refused_with_both_numbers(mapper, factor):
    with pytest.raises(PixelSizeError, match=rf"frame has {0.02 * factor:.5g} nm/px.*model was trained at 0\.02 nm/px"):
        mapper.map(counts((40, 40)), pixel_size_nm=0.02 * factor)
    with pytest.raises(PixelSizeError):
        mapper.begin_scan((40, 40), pixel_size_nm=0.02 * factor)


def test_pixels_that_are_not_square_are_compared_along_each_axis(mapper):
    assert mapper.map(counts((40, 40)), pixel_size_nm=(0.0202, 0.0198)).pixel_size_nm == (0.0202, 0.0198)
    with pytest.raises(PixelSizeError, match=r"frame has 0\.025 nm/px in x.*resample the frame by 1\.25 in x"):
        mapper.map(counts((40, 40)), pixel_size_nm=(0.02, 0.025))


@pytest.mark.parametrize("wrong", [0.0, -0.02, np.nan, np.inf])
def test_a_pixel_size_that_is_none_is_refused(mapper, wrong):
    with pytest.raises(FrameError, match="pixel size"):
        mapper.map(counts((40, 40)), pixel_size_nm=wrong)


def test_a_pixel_size_within_three_percent_is_kept(mapper):
    for factor in (0.975, 1.025):
        assert mapper.map(counts((40, 40)), pixel_size_nm=0.02 * factor).pixel_size_nm == (0.02 * factor,) * 2


@pytest.mark.parametrize("threads", [0, -1, 257])
def test_a_number_of_threads_that_cannot_be_is_refused(tiny_model, threads):
    with pytest.raises(WindowError, match=f"expected 1 to 256 threads, got {threads}"):
        LatentMapper(tiny_model, threads=threads)
