"""A frame becomes a latent map row by row, to the bit, or its rows are refused with a reason."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mapper_support import assert_same, counts

from shiftvae_rt import FrameError


@st.composite
def band_splits(draw, height=61):
    cuts = draw(st.sets(st.integers(1, height - 1), max_size=12))
    edges = [0, *sorted(cuts), height]
    return [slice(a, b) for a, b in pairwise(edges)]


@given(
    bands=band_splits(),
    stride=st.sampled_from([1, 2, 4, 8, 16]),
    dtype=st.sampled_from(["uint16", "float32", "float64"]),
)
@settings(max_examples=60, deadline=None)
def test_rows_give_the_whole_frame_to_the_bit(mappers, bands, stride, dtype):
    frame = counts((61, 43), seed=3).astype(dtype)
    mapper = mappers[stride]
    whole = mapper.map(frame)
    scan = mapper.begin_scan(frame.shape, dtype=frame.dtype)
    parts = [part for band in bands if (part := scan.push_rows(frame[band])) is not None]
    assert scan.complete
    assert scan.valid_rows == 61
    assert_same(scan.result(), whole)
    np.testing.assert_array_equal(np.concatenate([part.mean for part in parts], axis=1), whole.mean)
    np.testing.assert_array_equal(np.concatenate([part.centre_y_px for part in parts]), whole.centre_y_px)
    assert [part.first_row for part in parts] == list(np.cumsum([0, *(p.mean.shape[1] for p in parts[:-1])]))
    assert [part.complete for part in parts] == [False] * (len(parts) - 1) + [True]


@given(bands=band_splits(), stride=st.sampled_from([1, 2, 4]))
@settings(max_examples=20, deadline=None)
def test_fields_that_come_with_the_rows_are_those_of_the_whole_frame(mappers, bands, stride):
    frame = counts((61, 43), seed=3)
    mapper = mappers[stride]
    whole = mapper.map(frame).fields
    scan = mapper.begin_scan(frame.shape, dtype=frame.dtype)
    parts = []
    for band in bands:
        part = scan.push_rows(frame[band])
        assert part is None or part.complete or part.fields is None
        parts.append(scan.new_fields())
    assert [part.first_row for part in parts] == list(np.cumsum([0, *(p.mean.shape[1] for p in parts[:-1])]))
    np.testing.assert_array_equal(np.concatenate([part.mean for part in parts], axis=1), whole.mean)
    np.testing.assert_array_equal(np.concatenate([part.std for part in parts], axis=1), whole.std)
    np.testing.assert_array_equal(scan.result().fields.mean, whole.mean)


def test_a_model_of_signals_has_no_fields(lines):
    assert lines.map(np.sin(np.arange(200.0) / 3)).fields is None


def test_rows_come_as_soon_as_their_last_line_is_there(mapper):
    frame = counts((24, 30))
    scan = mapper.begin_scan(frame.shape, dtype=np.uint16)
    ready = [scan.push_rows(frame[row : row + 1]) for row in range(24)]
    assert [row for row, part in enumerate(ready) if part is not None] == [15, 19, 23]
    assert [part.mean.shape for part in ready if part is not None] == [(4, 1, 4)] * 3


def test_a_scan_under_way_gives_the_rows_so_far(mapper):
    frame = counts((40, 30))
    scan = mapper.begin_scan(frame.shape, dtype=np.uint16)
    assert scan.result().mean.shape == (4, 0, 4)
    scan.push_rows(frame[:25])
    assert not scan.complete
    assert scan.result().mean.shape == (4, 3, 4)
    assert not scan.result().complete
    np.testing.assert_array_equal(scan.result().mean, mapper.map(frame).mean[:, :3])


def test_several_channels_arrive_row_by_row_too(two_channels):
    frame = counts((2, 40, 30))
    scan = two_channels.begin_scan((40, 30), dtype=np.uint16)
    for row in range(0, 40, 8):
        scan.push_rows(frame[:, row : row + 8])
    assert_same(scan.result(), two_channels.map(frame))


def test_a_line_arrives_at_once(lines):
    line = counts((1, 200))[0]
    scan = lines.begin_scan((1, 200), dtype=np.uint16)
    scan.push_rows(line[None])
    assert_same(scan.result(), lines.map(line))
    assert lines.map(line).names == ("dx", "z1", "z2")
    assert lines.map(line).mean.shape == (3, 1, 47)


@pytest.mark.parametrize(
    "rows",
    [
        np.ones((2, 29), np.uint16),
        np.ones((2, 30), np.uint8),
        np.ones((2, 2, 30), np.uint16),
        np.ones((41, 30), np.uint16),
    ],
    ids=["width", "dtype", "channels", "too many"],
)
def test_lines_that_do_not_fit_the_scan_are_refused_and_leave_it_as_it_was(mapper, rows):
    frame = counts((40, 30))
    scan = mapper.begin_scan((40, 30), dtype=np.uint16)
    scan.push_rows(frame[:20])
    with pytest.raises(FrameError, match=r"expected at most 20 more lines of 1 channel\(s\), 30 px and uint16"):
        scan.push_rows(rows)
    scan.push_rows(frame[20:])
    assert_same(scan.result(), mapper.map(frame))


def test_a_scan_refuses_nan_and_lines_beyond_its_end(mapper):
    scan = mapper.begin_scan((20, 30))
    with pytest.raises(FrameError, match="NaN"):
        scan.push_rows(np.full((2, 30), np.nan, np.float32))
    scan.push_rows(counts((20, 30)).astype(np.float32))
    with pytest.raises(FrameError, match="expected at most 0 more lines"):
        scan.push_rows(np.ones((1, 30), np.float32))


@pytest.mark.parametrize("dtype", ["int64", "bool", "complex64"])
def test_a_scan_of_another_dtype_is_refused_at_its_start(mapper, dtype):
    with pytest.raises(FrameError, match=f"expected rows of dtype .* got {dtype}"):
        mapper.begin_scan((40, 30), dtype=dtype)


@pytest.mark.parametrize("shape", [(40,), (1, 40, 30)])
def test_a_scan_has_a_height_and_a_width(mapper, shape):
    with pytest.raises(FrameError, match=r"expected a frame shape \(height, width\)"):
        mapper.begin_scan(shape)


def test_a_blanked_scan_is_told_at_its_last_line(mapper):
    scan = mapper.begin_scan((40, 30), dtype=np.uint16)
    scan.push_rows(np.zeros((39, 30), np.uint16))
    with pytest.raises(FrameError, match="constant"):
        scan.push_rows(np.zeros((1, 30), np.uint16))


def test_scans_of_one_mapper_do_not_disturb_each_other(mapper):
    one, other = counts((40, 30), seed=1), counts((40, 30), seed=2)
    scans = [mapper.begin_scan((40, 30), dtype=np.uint16) for _ in range(2)]
    for row in range(0, 40, 5):
        scans[0].push_rows(one[row : row + 5])
        scans[1].push_rows(other[row : row + 5])
    assert_same(scans[0].result(), mapper.map(one))
    assert_same(scans[1].result(), mapper.map(other))
