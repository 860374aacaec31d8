"""The C library refuses what Python refuses, with a code and a text, and never falls over."""

from __future__ import annotations

import ctypes
import json
import os

import numpy as np
import onnx
import pytest
from c_library import ARGUMENT, FILE, FRAME, OK, UNSUPPORTED, WINDOW, Library, RefusedError
from tiny_models import tiny_manifest, tiny_members, tiny_weights

from shiftvae_rt import LatentMapper
from shiftvae_rt.model.manifest import Intensity
from shiftvae_rt.model.model_file import ModelFile, pack_model_file

LONG = bool(os.environ.get("SHIFTVAE_LONG"))
FLIPS = 10_000 if LONG else 1000

pytestmark = pytest.mark.timeout(600)  # the first of them builds the library


@pytest.fixture(scope="module")
def members() -> dict[str, bytes]:
    return tiny_members(tiny_weights())


def packed(members: dict[str, bytes], **changes: object) -> bytes:
    return pack_model_file(tiny_manifest(tiny_weights(), **changes), members)


def refused(library: Library, source, stride: int = 4) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        library.open(source, stride)
    return caught.value


def test_any_flipped_bit_of_a_model_file_is_refused(library: Library, tiny_model):
    data = tiny_model.read_bytes()
    library.open(data)
    rng = np.random.default_rng(0)
    records = np.flatnonzero(np.frombuffer(outside_of_members(data), np.uint8))
    anywhere = rng.integers(0, len(data), FLIPS // 2)
    places = np.concatenate([anywhere, rng.choice(records, FLIPS - len(anywhere))])  # half of them where no hash looks
    accepted = []
    for place, bit in zip(places.tolist(), rng.integers(0, 8, len(places)).tolist(), strict=True):
        damaged = bytearray(data)
        damaged[place] ^= 1 << bit
        handle = ctypes.c_void_p()
        code = library.c.sv_open_bytes(bytes(damaged), len(damaged), 4, ctypes.byref(handle))
        if code == OK or not library.c.sv_error(handle):
            accepted.append((place, bit))
        library.c.sv_close(handle)
    assert accepted == []


def outside_of_members(data: bytes) -> bytes:
    """A byte for each byte of a model file: 1 in the manifest and the records of the zip, 0 in the other members."""
    model = ModelFile.from_bytes(data, "tiny")
    marks = bytearray(b"\1" * len(data))
    for name in model.manifest.members:
        content = model.graph(name)
        at = data.index(content)
        marks[at : at + len(content)] = bytes(len(content))
    return bytes(marks)


def test_a_file_that_is_cut_or_longer_is_refused(library: Library, tiny_model):
    data = tiny_model.read_bytes()
    for size in (0, 1, 21, 22, 100, len(data) // 2, len(data) - 1):
        assert refused(library, data[:size]).code == FILE
    for longer in (data + b"\0", b"\0" + data, data + data):
        assert refused(library, longer).code == FILE


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        ({"format": "shiftvae-model-1"}, "shiftvae-model-1"),
        ({"channels": 2}, "channel"),
        ({"window": (16, 17)}, "window"),
        ({"strides": (4, 2, 1)}, "rise"),
        ({"latents": ()}, "latents"),
        ({"lattice": ((10.0, 0.0), (20.0, 0.0))}, "parallel"),
    ],
    ids=lambda change: next(iter(change)) if isinstance(change, dict) else None,
)
def test_a_manifest_that_contradicts_the_rest_is_refused(library: Library, members, change, fact):
    error = refused(library, packed(members, **change))
    assert error.code == FILE
    assert fact in str(error)


@pytest.mark.parametrize("lacking", ["layers.onnx", "golden.npz"])
def test_a_member_that_is_missing_is_named(library: Library, members, lacking):
    error = refused(library, packed({name: c for name, c in members.items() if name != lacking}))
    assert error.code == FILE
    assert lacking in str(error)


def test_weights_that_do_not_give_the_golden_map_are_refused(library: Library, members):
    other = tiny_members(tiny_weights(seed=1))
    error = refused(library, packed({**members, "layers.onnx": other["layers.onnx"]}))
    assert error.code == FILE
    assert "test frame" in str(error)


def test_graphs_that_are_not_layers_are_refused(library: Library, members):
    error = refused(library, packed({**members, "layers.onnx": members["dense_s4.onnx"]}))
    assert error.code == FILE
    assert "Conv" in str(error) or "tensor" in str(error)


TURNING = {"orders": [[1, 0], [0, 1], *[[2, -3]] * 14], "phases": [[1, 0], [0, 1]]}


@pytest.mark.parametrize(
    ("key", "text", "fact"),
    [
        ("relu", None, "lacks its dilations, relu, turn or readout"),
        ("turn", None, "lacks its dilations, relu, turn or readout"),
        ("relu", "1", "true or false"),
        ("relu", "tru", "relu"),
        ("turn", "7", "an object"),
        ("turn", "{", "turn"),
        ("turn", json.dumps(TURNING | {"more": 1}), "more"),
        ("turn", json.dumps({"orders": TURNING["orders"]}), "phases"),
        ("turn", json.dumps(TURNING | {"phases": []}), "phases of the turn"),
        ("turn", json.dumps(TURNING | {"phases": [[1, 0], [0]]}), "a power of each base"),
        ("turn", json.dumps(TURNING | {"phases": [[1, 0], [0, 1], [0, 0]]}), "at most 2 values"),
        ("turn", json.dumps(TURNING | {"phases": [[1, 0], [0, 17]]}), "a number from -16"),
        ("turn", json.dumps(TURNING | {"orders": [[1, 0], [0, 1], *[[2, 0.5]] * 14]}), "whole powers"),
        ("turn", json.dumps(TURNING | {"orders": [[1, 0], [0, 1], *[[2, 1e300]] * 14]}), "a number from -16"),
        ("turn", json.dumps(TURNING | {"orders": [[1, 0], [0, 1]]}), "orders of each pair of features"),
        ("turn", json.dumps(TURNING | {"orders": [[1, 0]] * 16}), "turn by themselves alone"),
        ("turn", json.dumps(TURNING | {"orders": [[1, 0]] * 3000}), "at most 2048 values"),
        ("turn", json.dumps(TURNING), "test frame"),  # a turn that fits, of another model
    ],
)
def test_a_turn_that_is_damaged_is_refused(library: Library, members, key, text, fact):
    layers = onnx.load_from_string(members["layers.onnx"])
    metadata = {entry.key: entry.value for entry in layers.metadata_props} | {key: text}
    onnx.helper.set_model_props(layers, {name: value for name, value in metadata.items() if value is not None})
    error = refused(library, packed({**members, "layers.onnx": layers.SerializeToString()}))
    assert error.code == FILE
    assert fact in str(error)


def test_a_model_of_windows_is_told_what_the_library_lacks(library: Library, members):
    windowed = {name: c for name, c in members.items() if name != "layers.onnx"} | {"filters.onnx": b"x"}
    error = refused(library, packed(windowed))
    assert error.code == UNSUPPORTED
    assert "filters.onnx" in str(error)
    error = refused(library, packed(members | {"rounds.onnx": b"x"}))
    assert error.code == UNSUPPORTED
    assert "rounds.onnx" in str(error)
    other = Intensity(normalisation="minmax", channel_offset=(0.0,), channel_scale=(1.0,), sd_floor=0.0)
    error = refused(library, packed(members, intensity=other))
    assert error.code == UNSUPPORTED
    assert "minmax" in str(error)


def test_a_path_and_a_stride_that_do_not_serve_are_named(library: Library, tiny_model, tmp_path):
    error = refused(library, tmp_path / "none.svae")
    assert error.code == FILE
    assert "none.svae" in str(error)
    assert refused(library, tmp_path).code == FILE
    assert refused(library, tiny_model, 0).code == ARGUMENT
    assert refused(library, tiny_model, -4).code == ARGUMENT
    files = {"strides": (2, 4)}
    error = refused(library, packed(tiny_members(tiny_weights()), **files), 3)
    assert error.code == WINDOW
    assert "2, 4" in str(error)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_pixel_that_is_no_number_is_refused_and_the_scan_goes_on(library: Library, tiny_model, dtype, value):
    frame = np.random.default_rng(0).normal(size=(1, 40, 40)).astype(dtype)
    bad = frame.copy()
    bad[0, 30, 7] = value
    model = library.open(tiny_model)
    with pytest.raises(RefusedError, match="1 of 1600") as caught:
        model.map(bad)
    assert caught.value.code == FRAME
    scan = model.begin(frame)
    scan.push(frame[:, :20])
    with pytest.raises(RefusedError, match="1 of 800"):
        scan.push(bad[:, 20:])
    scan.push(frame[:, 20:])
    np.testing.assert_array_equal(scan.mean, LatentMapper(tiny_model).map(frame[0]).mean)


def test_a_constant_frame_is_refused_at_its_last_line(library: Library, tiny_model):
    model, frame = library.open(tiny_model), np.full((1, 40, 40), 7, np.uint16)
    with pytest.raises(RefusedError, match="constant") as caught:
        model.map(frame)
    assert caught.value.code == FRAME
    scan = model.begin(frame)
    assert scan.push(frame[:, :39]) == (0, 6)
    with pytest.raises(RefusedError, match="constant"):
        scan.push(frame[:, 39:])
    frame[0, 39, 39] = 8
    assert scan.push(frame[:, 39:]) == (6, 1)


def test_differences_beyond_float32_end_a_scan(library: Library, tiny_model):
    frame = np.random.default_rng(0).normal(size=(1, 40, 40))
    frame[0, 20, 20] = 1e300
    scan = library.open(tiny_model).begin(frame)
    with pytest.raises(RefusedError, match="float32") as caught:
        scan.push(frame)
    assert caught.value.code == FRAME
    with pytest.raises(RefusedError, match="begin another"):
        scan.push(frame)


def test_frames_and_lines_that_do_not_fit_are_refused(library: Library, tiny_model, tiny_line_model):
    model, frame = library.open(tiny_model), np.random.default_rng(0).integers(0, 9, (1, 40, 40)).astype(np.uint8)
    for height, width, code in ((15, 40, WINDOW), (40, 15, WINDOW), (0, 40, ARGUMENT), (40, -1, ARGUMENT)):
        with pytest.raises(RefusedError) as caught:
            model.grid(height, width)
        assert caught.value.code == code
    scan = model.begin(frame)
    scan.push(frame[:, :30])
    with pytest.raises(RefusedError, match="at most 10 more lines, got 11"):
        scan.push(frame[:, :11])
    assert scan.push(frame[:, :0]) == (4, 0)
    scan.push(frame[:, 30:])
    with pytest.raises(RefusedError, match="at most 0 more lines"):
        scan.push(frame[:, :1])
    with pytest.raises(RefusedError, match="height of 1") as caught:
        library.open(tiny_line_model).grid(2, 40)
    assert caught.value.code == FRAME


def test_null_pointers_unknown_types_and_crooked_memory_are_refused(library: Library, tiny_model):
    c, model = library.c, library.open(tiny_model)
    frame = np.random.default_rng(0).integers(0, 9, (1, 40, 40)).astype(np.uint16)
    mean, std = model.outputs(frame)
    at = frame.ctypes.data
    for arguments in (
        (None, 1, 40, 40, 0, 0, mean.ctypes.data, std.ctypes.data),
        (at, 1, 40, 40, 0, 0, None, std.ctypes.data),
        (at, 7, 40, 40, 0, 0, mean.ctypes.data, std.ctypes.data),
        (at, -1, 40, 40, 0, 0, mean.ctypes.data, std.ctypes.data),
        (at + 1, 1, 39, 40, 0, 0, mean.ctypes.data, std.ctypes.data),
        (at, 1, 39, 40, 81, 0, mean.ctypes.data, std.ctypes.data),
    ):
        assert c.sv_map(model.handle, *arguments) == ARGUMENT
        assert c.sv_error(model.handle)
        assert c.sv_map(None, *arguments) == ARGUMENT
    assert c.sv_grid(model.handle, 40, 40, None, None) == ARGUMENT
    assert c.sv_scan_begin(model.handle, 40, 40, 1, None) == ARGUMENT
    assert c.sv_open(b"x", 4, None) == c.sv_scan_push(None, at, 1, 0, 0, at, at, None, None) == ARGUMENT
    handle = ctypes.c_void_p()
    assert c.sv_open(None, 4, ctypes.byref(handle)) == ARGUMENT
    assert c.sv_map(handle, at, 1, 40, 40, 0, 0, at, at) == ARGUMENT
    assert b"could not be opened" in c.sv_error(handle)
    assert (c.sv_latents(handle), c.sv_channels(None), c.sv_manifest(handle)) == (0, 0, b"")
    assert c.sv_latent_name(handle, 0) is None
    c.sv_close(handle)
    c.sv_close(None)
    c.sv_scan_end(None)
    assert b"no handle" in c.sv_error(None)


def test_a_model_without_a_lattice_of_two_vectors_has_no_fields(library: Library, tiny_line_model):
    signal = np.random.default_rng(0).normal(size=(1, 1, 100)).astype(np.float32)
    model = library.open(tiny_line_model)
    with pytest.raises(RefusedError, match="no lattice") as caught:
        model.fields(signal, *model.map(signal))
    assert caught.value.code == UNSUPPORTED
