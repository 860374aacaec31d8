"""Array messages: strict headers, checked buffers, no copies."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from stream_support import frame_message, rows_message

from shiftvae_rt.errors import WireError
from shiftvae_rt.frame import DTYPES
from shiftvae_rt.stream.protocol.wire import (
    MAX_HEADER_BYTES,
    FrameHeader,
    array_of,
    decode_frame_header,
    decode_result_header,
    encode_array,
    frame_rows,
)

PIXELS = np.arange(12, dtype=np.uint16).reshape(3, 4)


def header_of(pixels: np.ndarray, **changes: Any) -> FrameHeader:
    fields, _ = frame_message(pixels, **changes)
    return msgspec.convert(fields, FrameHeader)


def changed(**changes: Any) -> bytes:
    fields, _ = frame_message(PIXELS)
    return msgspec.json.encode({**fields, **changes})


frames = st.sampled_from(DTYPES).flatmap(
    lambda name: hnp.arrays(
        np.dtype(name).newbyteorder("<"), hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=9)
    )
)


@given(frames, st.integers(1, 2**53), st.text(max_size=64))
def test_any_frame_comes_back_as_it_went_out(pixels: np.ndarray, seq: int, name: str) -> None:
    parts = encode_array(header_of(pixels, seq=seq, name=name), pixels)
    header = decode_frame_header(parts[0])
    back = array_of(header, bytes(parts[1]))
    assert back.dtype == pixels.dtype
    assert np.array_equal(back.view(np.uint8), pixels.view(np.uint8)), "bit by bit, NaN included"
    assert (header.seq, header.name) == (seq, name)


def test_neither_side_copies_the_pixels() -> None:
    _, buffer = encode_array(header_of(PIXELS), PIXELS)
    assert np.shares_memory(np.frombuffer(buffer, np.uint8), PIXELS)
    assert np.shares_memory(array_of(header_of(PIXELS), buffer), PIXELS)


def test_received_pixels_cannot_be_written() -> None:
    array = array_of(header_of(PIXELS), bytearray(PIXELS.tobytes()))
    with pytest.raises(ValueError, match="read-only"):
        array[0, 0] = 1


def test_htype_is_the_first_field_and_both_dtype_names_are_there() -> None:
    header, _ = encode_array(header_of(PIXELS), PIXELS)
    assert header.startswith(b'{"htype":"array-1.0","type":"uint16","dtype":"uint16","shape":[3,4],"encoding":"little"')


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"shape": [3, "4"]}, r"Expected `int`, got `str` - at `\$\.shape\[1\]`"),
        ({"shape": [3, -4]}, r"\$\.shape"),
        ({"shape": [2**40, 2**40]}, r"\$\.shape"),
        ({"shape": []}, r"\$\.shape"),
        ({"seq": 0}, r"\$\.seq"),
        ({"seq": 1.5}, r"\$\.seq"),
        ({"seq": 2**63}, r"\$\.seq"),
        ({"frame": -1}, r"\$\.frame"),
        ({"encoding": "big"}, r"\$\.encoding"),
        ({"order": "F"}, r"\$\.order"),
        ({"htype": "array-2.0"}, "array-2.0"),
        ({"surprise": 1}, "unknown field `surprise`"),
        ({"pixel_size_nm": -1.0}, r"\$\.pixel_size_nm"),
        ({"complete": 1}, r"\$\.complete"),
        ({"clock_ns": 2**63}, r"\$\.clock_ns"),
        ({"name": "x" * 257}, r"\$\.name"),
        ({"type": "int16"}, "type and dtype must be the same"),
        ({"roi": [1, 0, 3, 4]}, "does not fit frame_shape"),
        ({"valid_rows": 4}, "valid_rows must be 1 to 3"),
        ({"complete": False}, "complete must be true exactly when"),
        ({"valid_rows": 2}, "complete must be true exactly when"),
        ({"shape": [4, 3]}, "does not end in the height and width"),
    ],
    ids=str,
)
def test_a_wrong_field_is_an_error_that_names_it(changes: dict[str, Any], named: str) -> None:
    decode_frame_header(changed())
    with pytest.raises(WireError, match=named):
        decode_frame_header(changed(**changes))


@pytest.mark.parametrize("field", list(frame_message(PIXELS)[0]))
def test_a_missing_field_is_an_error_that_names_it(field: str) -> None:
    fields, _ = frame_message(PIXELS)
    del fields[field]
    with pytest.raises(WireError, match=f"missing required field `{field}`"):
        decode_frame_header(msgspec.json.encode(fields))


@pytest.mark.parametrize("length", [0, 23, 25, 2400], ids="{} bytes".format)
def test_a_buffer_of_another_length_is_refused_before_an_array_is_made(length: int) -> None:
    with pytest.raises(WireError, match=f"needs a buffer of 24 bytes, got {length}"):
        array_of(header_of(PIXELS), bytes(length))


def test_a_shape_of_petabytes_allocates_nothing() -> None:
    header = msgspec.structs.replace(header_of(PIXELS), shape=(2**31 - 1,) * 4)
    with pytest.raises(WireError, match="needs a buffer of"):
        array_of(header, b"")


@pytest.mark.parametrize("dtype", ["object", "O", "complex64", "int64", "<u2", "float16", "", "uint16,uint16"])
def test_a_dtype_that_no_detector_has_is_refused(dtype: str) -> None:
    header = msgspec.structs.replace(header_of(PIXELS), type=dtype, dtype=dtype)
    with pytest.raises(WireError, match="dtype must be one of"):
        array_of(header, PIXELS.tobytes())


def test_a_header_longer_than_the_limit_is_not_parsed() -> None:
    with pytest.raises(WireError, match=f"at most {MAX_HEADER_BYTES} bytes"):
        decode_frame_header(b" " * MAX_HEADER_BYTES + changed())


def test_rows_beyond_the_valid_ones_are_left_out() -> None:
    fields, buffer = rows_message(np.arange(40, dtype=np.uint16).reshape(10, 4), 2, 7, valid_rows=5)
    rows = frame_rows(decode_frame_header(msgspec.json.encode(fields)), buffer)
    assert rows.tolist() == np.arange(8, 20).reshape(3, 4).tolist()


def test_an_array_that_its_header_does_not_describe_is_not_sent() -> None:
    with pytest.raises(WireError, match="they must agree"):
        encode_array(header_of(PIXELS), PIXELS.T)
    with pytest.raises(WireError, match="contiguous"):
        encode_array(header_of(PIXELS), np.asfortranarray(PIXELS))
    with pytest.raises(WireError, match="they must agree"):
        encode_array(header_of(PIXELS), PIXELS.astype(">u2"))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = sorted(frame_message(PIXELS)[0])


@settings(max_examples=500)
@given(st.binary(max_size=300))
@example(b"")
@example(b"[" * 100_000)
@example(b'{"htype":' * 10_000)
@example(b"\xff\xfe{}")
def test_garbage_is_a_wire_error_and_nothing_else(garbage: bytes) -> None:
    for decode in (decode_frame_header, decode_result_header):
        with pytest.raises(WireError):
            decode(garbage)


@settings(max_examples=500)
@given(st.dictionaries(st.sampled_from(FIELDS), json_values, min_size=1, max_size=4), st.binary(max_size=40))
def test_a_header_with_any_values_gives_an_array_or_a_wire_error(changes: dict[str, Any], buffer: bytes) -> None:
    try:
        header = decode_frame_header(json.dumps({**json.loads(changed()), **changes}).encode())
        rows = frame_rows(header, buffer)
    except WireError:
        return
    assert rows.nbytes <= len(buffer)


@settings(max_examples=300)
@given(st.integers(0, 10_000), st.integers(0, 255))
def test_a_damaged_byte_gives_a_header_or_a_wire_error(place: int, value: int) -> None:
    damaged = bytearray(changed())
    damaged[place % len(damaged)] = value
    with contextlib.suppress(WireError):
        decode_frame_header(bytes(damaged))


def test_a_foreign_reader_needs_json_and_numpy_alone() -> None:
    parts = encode_array(header_of(PIXELS), PIXELS)
    header = json.loads(parts[0])
    for dtype in (header["type"], header["dtype"]):
        assert np.array_equal(np.frombuffer(parts[1], dtype).reshape(header["shape"]), PIXELS)
