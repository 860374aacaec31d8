from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from shiftvae_rt import _core
from shiftvae_rt.errors import FrameError, WindowError
from shiftvae_rt.frame import DTYPES
from shiftvae_rt.kernels.windows import (
    Normalisation,
    convert_frame,
    extract_windows,
    extract_windows_at,
    window_statistics,
)

NORMALISATIONS: tuple[Normalisation, ...] = ("none", "zscore", "minmax")


def reference_windows(
    frame: NDArray[Any], window: tuple[int, int], stride: int, normalisation: str, sd_floor: float = 0.0
) -> NDArray[np.float64]:
    """The NumPy twin, in float64."""
    views = sliding_window_view(frame.astype(np.float64), window, axis=(1, 2))[:, ::stride, ::stride]
    windows = views.transpose(1, 2, 0, 3, 4)
    if normalisation == "none":
        return windows
    if normalisation == "zscore":
        # Relative to one of its own pixels first: a constant window is then exactly zero in the twin too.
        windows = windows - windows[..., :1, :1]
        windows = windows - windows.mean((3, 4), keepdims=True)
        sd = np.sqrt((windows**2).mean((2, 3, 4), keepdims=True))
        scale = np.maximum(sd, sd_floor)
    else:
        windows = windows - windows.min((3, 4), keepdims=True)
        scale = windows.max((3, 4), keepdims=True)
    return np.divide(windows, scale, out=np.zeros(windows.shape), where=np.broadcast_to(scale > 0, windows.shape))


def assert_close(got: NDArray[Any], expected: NDArray[Any]) -> None:
    assert got.shape == expected.shape
    np.testing.assert_array_less(np.abs(got - expected) / np.maximum(1, np.abs(expected)), 1e-6)


def frame_of(dtype: str, shape: tuple[int, int, int], offset: float, sd: float, seed: int) -> NDArray[Any]:
    pixels = np.random.default_rng(seed).normal(offset, sd, shape)
    if np.dtype(dtype).kind in "iu":
        limits = np.iinfo(dtype)
        pixels = np.rint(pixels).clip(limits.min, limits.max)
    return pixels.astype(dtype)


@pytest.fixture(params=_core.isas())
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    before = _core.isa()
    _core.use_isa(request.param)
    yield request.param
    _core.use_isa(before)


@st.composite
def frames_and_windows(draw: st.DrawFn) -> tuple[NDArray[Any], tuple[int, int], int]:
    channels, height, width = draw(st.integers(1, 3)), draw(st.integers(1, 24)), draw(st.integers(1, 40))
    dtype = draw(st.sampled_from(DTYPES))
    offset, sd = draw(st.sampled_from([(0, 1), (60000, 3), (100, 40), (-20000, 1000), (30, 0)]))
    frame = frame_of(dtype, (channels, height, width), offset, sd, draw(st.integers(0, 2**16)))
    window = (draw(st.integers(1, height)), draw(st.integers(1, width)))
    return frame, window, draw(st.integers(1, 5))


@given(frames_and_windows(), st.sampled_from(NORMALISATIONS), st.sampled_from([0.0, 2.5]), st.integers(1, 3))
def test_windows_equal_their_numpy_twin(
    case: tuple[NDArray[Any], tuple[int, int], int], normalisation: Normalisation, floor: float, threads: int
) -> None:
    frame, window, stride = case
    got = extract_windows(frame, window, stride, normalisation=normalisation, sd_floor=floor, threads=threads)
    assert got.dtype == np.float32
    assert_close(got, reference_windows(frame, window, stride, normalisation, floor))


@given(frames_and_windows(), st.sampled_from(NORMALISATIONS), st.data())
def test_windows_at_places_are_those_of_the_grid_there_to_the_bit(
    case: tuple[NDArray[Any], tuple[int, int], int], normalisation: Normalisation, data: st.DataObject
) -> None:
    frame, window, _ = case
    everywhere = extract_windows(frame, window, normalisation=normalisation)
    y = data.draw(st.integers(0, everywhere.shape[0] - 1))
    x = data.draw(st.integers(0, everywhere.shape[1] - 1))
    got = extract_windows_at(frame, [(y, x), (0, 0)], window, normalisation=normalisation)
    np.testing.assert_array_equal(got[0], everywhere[y, x])
    np.testing.assert_array_equal(got[1], everywhere[0, 0])


@given(frames_and_windows(), st.integers(1, 3))
def test_statistics_equal_their_numpy_twin(case: tuple[NDArray[Any], tuple[int, int], int], threads: int) -> None:
    frame, window, stride = case
    mean, sd = window_statistics(frame, window, stride, threads=threads)
    views = sliding_window_view(frame.astype(np.float64), window, axis=(1, 2))[:, ::stride, ::stride]
    assert_close(mean, views.mean((3, 4)))
    assert_close(sd, (views - views[..., :1, :1]).std((3, 4)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_zscore_holds_1e_6_on_an_offset_of_60000_and_a_deviation_of_3(dtype: str, isa: str) -> None:
    offset = {"uint8": 128, "int16": 30000}.get(dtype, 60000)
    frame = frame_of(dtype, (1, 96, 96), offset, 3, seed=1)
    got = extract_windows(frame, (32, 32), 4, normalisation="zscore")
    expected = reference_windows(frame, (32, 32), 4, "zscore")
    assert np.abs(got - expected).max() < 1e-6


@pytest.mark.parametrize("normalisation", NORMALISATIONS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_large_output_does_not_depend_on_instruction_set_or_threads(dtype: str, normalisation: Normalisation) -> None:
    frame = frame_of(dtype, (1, 140, 150), 20000, 300, seed=2)
    before, results = _core.isa(), []
    for name in _core.isas():
        _core.use_isa(name)
        results += [extract_windows(frame, (16, 20), normalisation=normalisation, threads=n) for n in (1, 2)]
    _core.use_isa(before)
    assert results[0].nbytes > 8 << 20, "the output must be large enough to be streamed"
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])


def test_a_nan_stays_in_the_windows_that_hold_it() -> None:
    frame = frame_of("float32", (1, 40, 60), 10, 2, seed=3)
    clean = extract_windows(frame, (8, 8), normalisation="zscore")
    frame[0, 20, 30] = np.nan
    got = extract_windows(frame, (8, 8), normalisation="zscore")
    touched = np.zeros(got.shape[:2], dtype=bool)
    touched[13:21, 23:31] = True
    assert np.isnan(got[touched]).all()
    np.testing.assert_allclose(got[~touched], clean[~touched], rtol=0, atol=1e-6)


def test_a_crop_of_a_larger_frame_is_read_in_place() -> None:
    frame = frame_of("uint16", (2, 40, 50), 1000, 100, seed=4)
    crop = frame[:, 5:25, 7:37]
    assert not crop.flags.c_contiguous
    for normalisation in NORMALISATIONS:
        got = extract_windows(crop, (6, 8), 2, normalisation=normalisation)
        np.testing.assert_array_equal(got, extract_windows(crop.copy(), (6, 8), 2, normalisation=normalisation))


def test_a_given_buffer_is_filled_and_returned() -> None:
    frame = frame_of("uint16", (1, 20, 20), 1000, 100, seed=5)
    buffer = np.full((13, 13, 1, 8, 8), np.nan, dtype=np.float32)
    assert extract_windows(frame, (8, 8), out=buffer) is buffer
    np.testing.assert_array_equal(buffer, extract_windows(frame, (8, 8)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_converted_frame_is_the_rounded_difference_from_its_centre(dtype: str, isa: str) -> None:
    frame = frame_of(dtype, (2, 33, 47), 200, 30, seed=6)
    pixels, finite = convert_frame(frame, [199.5, -7.25], threads=2)
    expected = (frame.astype(np.float64) - np.array([199.5, -7.25])[:, None, None]).astype(np.float32)
    np.testing.assert_array_equal(pixels, expected)
    assert finite


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_a_converted_frame_tells_whether_it_is_finite(bad: float) -> None:
    frame = np.zeros((1, 9, 21))
    assert convert_frame(frame, 0.0)[1]
    frame[0, 8, 20] = bad
    assert not convert_frame(frame, 0.0)[1]


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (np.zeros((4, 4)), r"expected a frame of shape \(channels, height, width\), got \(4, 4\)"),
        (np.zeros((1, 0, 4)), r"got \(1, 0, 4\)"),
        (np.zeros((1, 9, 9), dtype=np.int64), "expected pixels of dtype uint8, .* got <i8"),
        (np.zeros((1, 9, 9), dtype=">u2"), "in native byte order, got >u2"),
        (np.zeros((1, 9, 18))[:, :, ::2], "a stride of 8 bytes.* got a stride of 16 bytes"),
        (np.zeros((1, 9, 9))[:, :, ::-1], "got a stride of -8 bytes"),
        ([[[1.0]]], "got list: use as_pixels"),
    ],
    ids=["axes", "empty", "dtype", "byte order", "every other pixel", "mirrored", "list"],
)
def test_a_frame_that_cannot_be_read_is_refused(frame: Any, message: str) -> None:
    for call in (extract_windows, window_statistics):
        with pytest.raises(FrameError, match=message):
            call(frame, (2, 2))
    with pytest.raises(FrameError, match=message):
        extract_windows_at(frame, [(0, 0)], (2, 2))
    with pytest.raises(FrameError, match=message):
        convert_frame(frame, 0.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"window": (10, 3)}, "the frame is 9 x 9 px .* smaller than the window of 10 x 3 px"),
        ({"window": (0, 3)}, r"at least 1 px, got window \(0, 3\)"),
        ({"window": (3, 3, 3)}, r"expected a window \(height, width\), got \(3, 3, 3\)"),
        ({"stride": 0}, "stride 0"),
        ({"normalisation": "max"}, '"none", "zscore" or "minmax", got \'max\''),
        ({"sd_floor": -1.0}, "sd_floor of at least 0, got -1.0"),
        ({"sd_floor": float("nan")}, "got nan"),
        ({"threads": 0}, "1 to 256 threads, got 0"),
        ({"threads": 257}, "1 to 256 threads, got 257"),
        ({"out": np.zeros((7, 7, 1, 3, 3))}, r"float32 array of shape \(7, 7, 1, 3, 3\), got float64"),
        ({"out": np.zeros((7, 7, 1, 3), np.float32)}, r"got float32 of shape \(7, 7, 1, 3\)"),
        ({"out": np.zeros((14, 7, 1, 3, 3), np.float32)[::2]}, "not contiguous"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(WindowError, match=message):
        extract_windows(np.zeros((1, 9, 9)), **({"window": (3, 3)} | arguments))


def test_a_read_only_buffer_is_refused() -> None:
    out = np.zeros((7, 7, 1, 3, 3), np.float32)
    out.flags.writeable = False
    with pytest.raises(WindowError, match="read-only"):
        extract_windows(np.zeros((1, 9, 9)), (3, 3), out=out)


@pytest.mark.parametrize(
    ("origins", "message"),
    [
        ([(0, 7)], "y in 0..6 and x in 0..6, got 0, 7 for window 0"),
        ([(0, 0), (-1, 0)], "got -1, 0 for window 1"),
        ([(0.0, 0.0)], "integers of shape .count, 2., got float64"),
        ([0, 0], r"got int64 of shape \(2,\)"),
    ],
)
def test_places_outside_the_frame_are_refused(origins: Any, message: str) -> None:
    with pytest.raises(WindowError, match=message):
        extract_windows_at(np.zeros((1, 9, 9)), origins, (3, 3))


def test_no_places_give_no_windows() -> None:
    assert extract_windows_at(np.zeros((2, 9, 9)), np.zeros((0, 2), int), (3, 3)).shape == (0, 2, 3, 3)


def test_a_request_beyond_memory_names_its_size() -> None:
    # Broadcast: a frame of 20000 x 20000 px that takes one line of memory. All its windows take petabytes.
    frame = np.broadcast_to(np.zeros((1, 1, 20000), np.uint8), (1, 20000, 20000))
    with pytest.raises(MemoryError, match=r"windows of shape \(15905, 15905, 1, 4096, 4096\) need .* GiB"):
        extract_windows(frame, (4096, 4096))


@pytest.mark.parametrize(
    "call",
    [
        lambda f, o: _core.extract_windows(f, (3, 3), 1, "zscore", 0.0, None, o, 1),
        lambda f, o: _core.extract_windows_at(f, np.zeros((9, 2), np.int64), (3, 3), "none", 0.0, o, 1),
        lambda f, o: _core.window_statistics(f, (3, 3), 1, None, o, o, 1),
        lambda f, o: _core.convert_frame(f, np.zeros(1), o, 1),
        lambda f, o: _core.difference_frame(f, o, 1),
    ],
    ids=["extract_windows", "extract_windows_at", "window_statistics", "convert_frame", "difference_frame"],
)
def test_the_compiled_module_checks_its_outputs_by_itself(call: Any) -> None:
    with pytest.raises(ValueError, match="expected .* as a contiguous array of shape"):
        call(np.zeros((1, 9, 9), np.float32), np.zeros((2, 2), np.float32))


def test_the_compiled_module_refuses_places_and_windows_beyond_the_frame() -> None:
    frame, out = np.zeros((1, 9, 9), np.float32), np.zeros((1, 1, 3, 3), np.float32)
    with pytest.raises(IndexError, match="got 7, 0"):
        _core.extract_windows_at(frame, np.array([[7, 0]]), (3, 3), "none", 0.0, out, 1)
    with pytest.raises(ValueError, match="window of 1 x 1 to 9 x 9 px"):
        _core.extract_windows(frame, (10, 3), 1, "none", 0.0, None, out, 1)


@pytest.mark.parametrize("name", _core.isas())
def test_the_environment_chooses_the_instruction_set(name: str) -> None:
    script = "from shiftvae_rt import _core; print(_core.isa())"
    environment = os.environ | {"SHIFTVAE_ISA": name}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == name


def test_an_unknown_instruction_set_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=f"{', '.join(_core.isas())}.*got mmx"):
        _core.use_isa("mmx")
