"""S3: small random cases of every kernel against its NumPy twin; 1,000,000 in all with SHIFTVAE_LONG=1."""

from __future__ import annotations

import os
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from reference_network import convolved, products, softness_of, turned
from test_assembly import latents_on, reference_assembly, reference_placement
from test_windows import NORMALISATIONS, assert_close, frame_of, reference_windows

from shiftvae_rt import _core
from shiftvae_rt.frame import DTYPES
from shiftvae_rt.kernels.assembly import assemble_latent_map, place_at_motifs
from shiftvae_rt.kernels.filter_bank import FilterBank
from shiftvae_rt.kernels.readout import Readout
from shiftvae_rt.kernels.window_grid import WindowGrid
from shiftvae_rt.kernels.windows import (
    convert_frame,
    difference_frame,
    extract_windows,
    extract_windows_at,
    window_statistics,
)
from shiftvae_training.model.encoder_weights import Turn

CASES = 1_000_000 if os.environ.get("SHIFTVAE_LONG") == "1" else 30_000
#: Centre and deviation of the pixels; 0 makes constant frames.
LEVELS = ((0, 1), (60000, 3), (100, 40), (-20000, 1000), (30, 0))


def windows_case(rng: np.random.Generator) -> None:
    frame, window, stride = frame_and_window(rng)
    normalisation, floor = NORMALISATIONS[rng.integers(3)], float(rng.choice([0, 2.5]))
    got = extract_windows(frame, window, stride, normalisation=normalisation, sd_floor=floor)
    assert_close(got, reference_windows(frame, window, stride, normalisation, floor))


def places_case(rng: np.random.Generator) -> None:
    frame, window, _ = frame_and_window(rng)
    normalisation = NORMALISATIONS[rng.integers(3)]
    highest = np.array(frame.shape[1:]) - window
    places = rng.integers(0, highest + 1, (4, 2))
    expected = reference_windows(frame, window, 1, normalisation)
    assert_close(extract_windows_at(frame, places, window, normalisation=normalisation), expected[tuple(places.T)])


def filters_case(rng: np.random.Generator) -> None:
    frame, window, _ = frame_and_window(rng)
    normalisation = NORMALISATIONS[rng.integers(3 if len(frame) == 1 else 2)]
    stride, units = 2 ** int(rng.integers(4)), int(rng.integers(1, 40))
    if 2 * stride > max(8, 4 * window[1]):
        return
    filters = rng.normal(0, 1 / np.sqrt(len(frame) * window[0] * window[1]), (units, len(frame), *window))
    windows = reference_windows(frame, window, stride, normalisation)
    expected = np.tensordot(windows, filters, axes=([2, 3, 4], [1, 2, 3]))
    got = np.empty(expected.shape, np.float32)
    FilterBank(filters, stride, normalisation=normalisation).apply(frame, np.zeros(()), got)
    np.testing.assert_allclose(got, expected, rtol=0, atol=4e-6 * max(1.0, float(np.abs(windows).max())))


def statistics_case(rng: np.random.Generator) -> None:
    frame, window, stride = frame_and_window(rng)
    mean, sd = window_statistics(frame, window, stride)
    windows = reference_windows(frame, window, stride, "none")
    assert_close(mean, windows.mean((3, 4)).transpose(2, 0, 1))
    assert_close(sd, (windows - windows[..., :1, :1]).std((3, 4)).transpose(2, 0, 1))


def conversion_case(rng: np.random.Generator) -> None:
    frame, _, _ = frame_and_window(rng)
    centres = rng.normal(0, 1000, len(frame))
    expected = (frame.astype(np.float64) - centres[:, None, None]).astype(np.float32)
    pixels, finite = convert_frame(frame, list(centres))
    np.testing.assert_array_equal(pixels, expected)
    assert finite


def assembly_case(rng: np.random.Generator) -> None:
    grid = grid_of(rng)
    values, precision = latents_on(grid, int(rng.integers(2**32)))
    got = assemble_latent_map(values, precision, grid)
    np.testing.assert_allclose(got, reference_assembly(values, precision, grid), rtol=0, atol=2e-6)


def placement_case(rng: np.random.Generator) -> None:
    grid = grid_of(rng)
    values, precision = latents_on(grid, int(rng.integers(2**32)))
    shift_y, shift_x = rng.normal(0, 4, (2, grid.rows, grid.cols)).astype(np.float32)
    got = place_at_motifs(values, precision, grid, shift_y, shift_x)
    expected = reference_placement(values, precision, grid, shift_y, shift_x)
    # a weight of 1e-17 of a pixel may be 0 in one of the two, which is rare
    unlike = np.isnan(got) != np.isnan(expected)
    assert unlike.sum() <= 2
    np.testing.assert_allclose(got[~unlike], expected[~unlike], rtol=0, atol=2e-5)


def difference_case(rng: np.random.Generator) -> None:
    frame, _, _ = frame_and_window(rng)
    if frame.shape[2] < 2:
        return
    got, finite = difference_frame(frame)
    pixels = frame.astype(np.float64)
    down = np.diff(pixels, axis=1, prepend=pixels[:, :1])
    expected = np.stack([np.diff(pixels, axis=2), down[:, :, :-1]], axis=1).reshape(-1, *frame.shape[1:2], got.shape[2])
    np.testing.assert_array_equal(got, expected.astype(np.float32))
    assert finite


def readout_case(rng: np.random.Generator) -> None:
    axes = int(rng.integers(1, 3))
    vectors = rng.normal(0, 15, (int(rng.integers(axes + 1)), axes))
    angle, scale, reach = rng.choice([0.0, 60.0]), rng.choice([0.0, 0.05]), rng.choice([0.0, 12.0])
    readout = Readout(
        axes=axes,
        vectors=tuple(map(tuple, vectors.tolist())),
        planar_px=7.0,
        planar_reach_px=float(reach),
        angle_period=float(angle),
        scale_prior=float(scale),
        content=int(rng.integers(4)),
    )
    k = len(vectors)
    moved = axes if k in (0, axes) else k + axes
    planes = (3 * k or 2 * axes) + 3 * bool(angle) + 2 * bool(scale) + 2 * readout.content + moved
    code = rng.normal(0, 2, (planes, int(rng.integers(1, 4)), int(rng.integers(1, 40)))).astype(np.float32)
    mean, std = readout.read(code)
    expected_mean, expected_std = reference_latents(readout, code.astype(np.float64))
    off = mean - expected_mean
    if k:  # a place at the edge of the cell may lie on either side
        cells = np.rint(np.linalg.pinv(vectors).T @ off[:axes].reshape(axes, -1))
        off[:axes] -= (vectors.T @ cells).reshape(off[:axes].shape)
    if angle:
        off[axes] -= angle * np.rint(off[axes] / angle)
    assert np.abs(off).max() < 1e-4
    np.testing.assert_allclose(std, expected_std, rtol=2e-5)


def network_case(rng: np.random.Generator) -> None:
    channels = int(rng.integers(1, 3))
    stem, head, inputs = [], [], 2 * channels
    for index in range(int(rng.integers(1, 4))):
        units, high, wide = int(rng.integers(1, 36)), int(rng.integers(2, 4)), int(rng.integers(1, 4))
        kernel = rng.normal(size=(units, inputs, high, wide)) / np.sqrt(inputs * high * wide)
        stem.append((kernel.astype(np.float32), 2 ** int(rng.integers(4)) if index else 1))
        inputs = units
    readout = Readout(
        axes=1,
        vectors=(),
        planar_px=1.0,
        planar_reach_px=0.0,
        angle_period=0.0,
        scale_prior=0.0,
        content=int(rng.integers(9)),
    )
    for last in (False, True)[int(rng.integers(2)) :]:
        units = readout.planes if last else int(rng.integers(1, 20))
        weight, bias = rng.normal(size=(units, inputs)) / np.sqrt(inputs), rng.normal(size=units)
        head.append((weight.astype(np.float32), bias.astype(np.float32)))
        inputs = units
    stride, scale, floor = int(rng.integers(1, 9)), rng.uniform(0.5, 2, channels), 50.0
    relu, k, features, turn = bool(rng.integers(2)), int(rng.integers(3)), len(stem[-1][0]), None
    if k and features % 2 == 0 and features >= 2 * k and readout.planes >= 2 * k:
        orders, phases = rng.integers(-16, 17, (features // 2, k)), rng.integers(-16, 17, (k, k))
        orders[:k] = np.eye(k)
        turn = Turn(orders, phases)
    powers = None if turn is None else (turn.orders.tolist(), turn.phases.tolist())
    model = _core.DenseModel(
        stem, relu, powers, head, stride, _core.Readout(**msgspec.structs.asdict(readout)), scale, floor
    )
    height, width = (n + int(rng.integers(20)) for n in model.window)
    frame = rng.integers(0, 1000, (channels, height, width)).astype(np.uint16)
    x = difference_frame(frame)[0].astype(np.float64)
    for kernel, dilation in stem:
        x = convolved(x, kernel.astype(np.float64), dilation)
        x = np.maximum(x, 0) if relu else x
    x = x[:, ::stride, ::stride]
    windows = sliding_window_view(frame, model.window, axis=(1, 2))[:, ::stride, ::stride]
    sds = scale[:, None, None] * windows.std((3, 4), dtype=np.float64)
    x = x / np.maximum(np.sqrt(np.square(sds).mean(0)), floor)
    phasors, soft = np.ones((0, *x.shape[1:])), np.ones(x.shape[1:])
    if turn is not None:
        soft = softness_of(turn, x)
        x, phasors = turned(turn, x)
    for index, (weight, bias) in enumerate(head):
        x = np.tensordot(weight.astype(np.float64), np.tanh(x) if index else x, axes=1) + bias[:, None, None]
    if turn is not None:
        codes = (x[:k] + 1j * x[k : 2 * k]) * products(phasors, turn.phases)
        x = np.concatenate([codes.real, codes.imag, x[2 * k :]])
    expected_mean, expected_std = reference_latents(readout, x)
    mean, std = np.empty_like(expected_mean, np.float32), np.empty_like(expected_std, np.float32)
    needed = (mean.shape[1] - 1) * stride + model.window[0]
    assert _core.DenseRows(model, width, 1, np.zeros(channels)).push(frame[:, :needed], 0, mean, std)
    atol = 2e-5 * max(1.0, float(np.abs(x).max()))
    np.testing.assert_allclose(mean / soft, expected_mean / soft, rtol=0, atol=atol)
    np.testing.assert_allclose((std / expected_std - 1) / soft, 0, atol=2 * atol)


def reference_latents(readout: Readout, code: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The NumPy twin, plane by plane."""
    left, k, axes = iter(code), len(readout.vectors), readout.axes
    vectors = np.reshape(readout.vectors, (k, axes))

    def take(count: int) -> NDArray[np.float64]:
        return np.array([next(left) for _ in range(count)]).reshape(count, *code.shape[1:])

    def sds(log: NDArray[np.float64], most: float) -> NDArray[np.float64]:
        return np.exp(np.clip(log, -8, most))

    widest = 0.5 * np.log(2 * np.pi / np.e)
    first = [take(k) for _ in range(3)] if k else [take(axes) for _ in range(2)]
    means, deviations = [], []
    if readout.angle_period:
        cosine, sine, width = take(1), take(1), sds(take(1), widest)
        means.append(np.arctan2(sine, cosine) / (2 * np.pi) * readout.angle_period)
        deviations.append(width / (2 * np.pi) * readout.angle_period)
    if readout.scale_prior:
        times = 100 * np.exp(np.clip(take(1) * readout.scale_prior, -0.5, 0.5))
        means.append(times - 100)
        deviations.append(sds(take(1), 2) * readout.scale_prior * times)
    means.append(take(readout.content))
    deviations.append(sds(take(readout.content), 2))
    if k:
        cosine, sine, log_width = first
        turns = np.arctan2(sine, cosine) / (2 * np.pi) + take(k)
        shift = np.tensordot(vectors.T, turns - np.rint(turns), axes=1)
        shift += take(axes) if k < axes else 0
        variance = np.tensordot((vectors.T / (2 * np.pi)) ** 2, sds(log_width, widest) ** 2, axes=1)
        return np.concatenate([shift, *means]), np.concatenate([np.sqrt(variance), *deviations])
    u, log_sd = first
    shift, sd = u * readout.planar_px, sds(log_sd, 1) * readout.planar_px
    if readout.planar_reach_px:
        bent = np.tanh(shift / readout.planar_reach_px)
        shift, sd = bent * readout.planar_reach_px, sd * np.maximum(1 - bent**2, 0.05)
    return np.concatenate([shift + take(axes), *means]), np.concatenate([sd, *deviations])


def frame_and_window(rng: np.random.Generator) -> tuple[NDArray[Any], tuple[int, int], int]:
    shape = int(rng.integers(1, 3)), int(rng.integers(1, 9)), int(rng.integers(1, 41))
    offset, sd = LEVELS[rng.integers(len(LEVELS))]
    frame = frame_of(DTYPES[rng.integers(len(DTYPES))], shape, offset, sd, int(rng.integers(2**32)))
    window = int(rng.integers(1, min(shape[1], 6) + 1)), int(rng.integers(1, min(shape[2], 20) + 1))
    return frame, window, int(rng.integers(1, 5))


def grid_of(rng: np.random.Generator) -> WindowGrid:
    height, width = int(rng.integers(1, 20)), int(rng.integers(1, 20))
    window = int(rng.integers(1, height + 1)), int(rng.integers(1, width + 1))
    return WindowGrid((height, width), window, int(rng.integers(2, 9)))


KERNELS = (
    windows_case,
    places_case,
    filters_case,
    statistics_case,
    conversion_case,
    difference_case,
    assembly_case,
    placement_case,
    readout_case,
    network_case,
)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("isa", _core.isas())
def test_every_kernel_equals_its_numpy_twin(isa: str) -> None:
    cases = CASES // len(_core.isas())
    before = _core.isa()
    _core.use_isa(isa)
    try:
        for seed in range(cases):
            KERNELS[seed % len(KERNELS)](np.random.default_rng(seed))
    except Exception as error:
        raise AssertionError(f"{KERNELS[seed % len(KERNELS)].__name__} fails at seed {seed}") from error
    finally:
        _core.use_isa(before)
    print(f"{isa}: {cases} cases")
