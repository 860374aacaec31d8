"""The dense network of the compiled module by itself: what it takes, and what it and its streams of lines refuse."""

from __future__ import annotations

import numpy as np
import pytest

from shiftvae_rt import _core

FIRST, SECOND = np.ones((5, 2, 4, 3), np.float32), np.ones((16, 5, 3, 3), np.float32)  # windows of 8 px
HEAD, BIAS = np.ones((5, 16), np.float32), np.ones(5, np.float32)
#: A shift along one axis and its log deviation, a content and its own, and an offset of the shift.
PLANES = _core.Readout(
    axes=1, vectors=[], planar_px=1, planar_reach_px=0, angle_period=0, scale_prior=0, content=1, further=[]
)


def kernel_of(
    first=FIRST, second=SECOND, head=HEAD, bias=BIAS, *, dilation=2, stride=1, scale=(1.0,), floor=1.0, turn=None
):
    stem = [(first, 1), (second, dilation)]
    return _core.DenseModel(stem, turn is None, turn, [(head, bias)], stride, PLANES, scale, floor)


def test_a_kernel_says_what_it_takes():
    kernel = kernel_of(np.ones((5, 6, 4, 2), np.float32), scale=(1.0, 2.0, 3.0))
    assert (kernel.channels, kernel.window) == (3, (8, 7))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"first": FIRST[0]}, r"expected weights of 4 axes, got \(2, 4, 3\) float32"),
        ({"first": FIRST[:, :1]}, "not contiguous"),
        ({"first": np.ones((5, 3, 4, 3), np.float32)}, "the first layer does not take differences"),
        ({"second": SECOND[..., ::-1]}, "not contiguous"),
        ({"second": SECOND[:0]}, "expected weights of 4 axes"),
        ({"second": np.ones((16, 4, 3, 3), np.float32)}, "does not take what the one before gives"),
        ({"second": np.ones((16, 5, 1, 5000), np.float32)}, "is too large"),
        ({"head": HEAD[0]}, "expected weights of 2 axes"),
        ({"head": np.ones((5, 15), np.float32)}, "does not take what the one before gives"),
        ({"head": HEAD[:4].copy(), "bias": BIAS[:4].copy()}, "gives 4 planes, its readout expects 5"),
        ({"bias": BIAS[:3]}, r"expected bias as a contiguous array of shape \(5\), got \(3\) float32"),
        ({"bias": HEAD}, "expected bias"),
        ({"dilation": 0}, "expected a dilation of 1 to 4096 px"),
        ({"dilation": 5000}, "expected a dilation of 1 to 4096 px"),
        ({"stride": 0}, "expected a stride of 1 to 4096 px"),
        ({"stride": 5000}, "expected a stride of 1 to 4096 px"),
        ({"scale": (1.0, 1.0)}, r"a scale for each of 1 channel\(s\).*got 2"),
        ({"floor": 0.0}, "an sd_floor above 0"),
        ({"floor": np.nan}, "an sd_floor above 0"),
    ],
)
def test_a_kernel_refuses_numbers_that_do_not_fit(arguments, message):
    with pytest.raises(ValueError, match=message):
        kernel_of(**arguments)


@pytest.mark.parametrize("name", ["first", "head", "bias"])
def test_a_kernel_refuses_numbers_that_are_not_float32(name):
    given = {"first": FIRST, "head": HEAD, "bias": BIAS}[name]
    with pytest.raises(TypeError):
        kernel_of(**{name: given.astype(np.float64)})


def stream_of(width=20, step=1, centre=1):
    return _core.DenseRows(kernel_of(), width, step, np.zeros(centre))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        *(({"width": width}, f"expected lines of 8 to {2**24} px .*, got {width}") for width in (0, 7, 2**24 + 1)),
        ({"step": 0}, "a step of 1 or more, got 20 and 0"),
        ({"centre": 2}, r"expected centre as a contiguous array of shape \(1\)"),
    ],
)
def test_a_stream_refuses_what_it_cannot_begin_with(arguments, message):
    with pytest.raises(ValueError, match=message):
        stream_of(**arguments)


LINES, ROWS = np.ones((1, 9, 20), np.uint16), np.ones((2, 2, 13), np.float32)


@pytest.mark.parametrize(
    ("lines", "top", "mean", "sd", "message"),
    [
        (LINES[0], 0, ROWS, ROWS, "expected a frame of shape"),
        (LINES[:, :0], 0, ROWS, ROWS, "expected a frame of shape"),
        (LINES[:, :, :-1], 0, ROWS, ROWS, "of the channels, width and dtype of those before"),
        (np.ones((2, 9, 20), np.uint16), 0, ROWS, ROWS, "of the channels, width and dtype of those before"),
        (LINES.astype(np.int64), 0, ROWS, ROWS, "expected pixels of dtype"),
        (LINES.astype(">u2"), 0, ROWS, ROWS, "expected pixels of dtype"),
        (LINES[:, :, ::-1], 0, ROWS, ROWS, "adjacent in memory"),
        (LINES[:, :8], 0, ROWS, ROWS, "expected lines from line 0 or before it to 9, got 8 from line 0"),
        (LINES, 1, ROWS, ROWS, "expected lines from line 0 or before it to 9, got 9 from line 1"),
        (LINES, 0, ROWS[0], ROWS, r"expected mean as a contiguous array of shape \(2, 1, 13\)"),
        (LINES, 0, ROWS[:, :0], ROWS, r"expected mean as a contiguous array of shape \(2, 1, 13\)"),
        (LINES, 0, ROWS[:1], ROWS, r"expected mean as a contiguous array of shape \(2, 2, 13\)"),
        (LINES, 0, ROWS, ROWS[:, :1], r"expected sd as a contiguous array of shape \(2, 2, 13\)"),
        (LINES, 0, ROWS, ROWS.T, r"expected sd as a contiguous array of shape \(2, 2, 13\)"),
    ],
)
def test_a_stream_refuses_arrays_that_do_not_fit_and_goes_on(lines, top, mean, sd, message):
    stream = stream_of()
    with pytest.raises(ValueError, match=message):
        stream.push(lines, top, mean, sd)
    assert stream.push(LINES, 0, ROWS.copy(), ROWS.copy())


def test_a_stream_does_not_write_what_is_read_only():
    mean = ROWS.copy()
    mean.flags.writeable = False
    with pytest.raises(ValueError, match="not writeable"):
        stream_of().push(LINES, 0, mean, ROWS.copy())


def test_lines_of_another_dtype_cannot_follow():
    stream, one = stream_of(), np.ones((2, 1, 13), np.float32)
    assert stream.push(LINES[:, :8], 0, one, one.copy())
    with pytest.raises(ValueError, match=r"dtype of those before, got \(1, 9, 20\) int16"):
        stream.push(LINES.astype(np.int16), 0, one, one.copy())
    assert stream.first_line == 1
    assert stream.push(LINES[:, 1:], 1, one, one.copy())


def test_a_stream_keeps_its_network():
    stream, mean, sd = stream_of(), ROWS.copy(), ROWS.copy()
    assert stream.push(LINES, 0, mean, sd)
    np.testing.assert_array_equal(mean[0], 2)  # the biases of shift and offset: the lines have no differences
    np.testing.assert_array_equal(mean[1], 1)


def test_a_stream_is_of_no_use_after_differences_beyond_float32():
    stream, lines = stream_of(), np.zeros((1, 9, 20))
    lines[0, 3, 4] = 1e300
    assert not stream.push(lines, 0, ROWS.copy(), ROWS.copy())
    with pytest.raises(RuntimeError, match="terminated"):
        stream.push(lines, 0, ROWS.copy(), ROWS.copy())


def test_a_push_after_stop_fails():
    stream = stream_of()
    stream.stop()
    with pytest.raises(RuntimeError, match="terminated"):
        stream.push(LINES, 0, ROWS.copy(), ROWS.copy())


EYE = [[1, 0], [0, 1]]


@pytest.mark.parametrize(
    ("turn", "message"),
    [
        (([[1, 0]] * 8, EYE), "turn by themselves alone"),
        ((EYE + [[0, 17]] * 6, EYE), "orders and phases of a turn are -16 to 16"),
        ((EYE + [[0, 0]] * 6, [[1, 0], [-17, 1]]), "orders and phases of a turn are -16 to 16"),
        ((EYE + [[0, 0]] * 7, EYE), "orders of each pair of features"),
        (([[1]] + [[0]] * 7, EYE), "a power of each base"),
        ((EYE, []), "expected phases"),
    ],
)
def test_a_kernel_refuses_a_turn_that_does_not_fit(turn, message):
    assert kernel_of(turn=(EYE + [[0, 0]] * 6, EYE)).channels == 1
    with pytest.raises(ValueError, match=message):
        kernel_of(turn=turn)
