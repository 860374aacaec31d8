"""Both routes: exact on any frame, the same bits in any parts, bounded in what they keep."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import tiny_manifest, tiny_members, tiny_weights, write_tiny_model

from shiftvae_rt import FrameError, LatentMapper, ModelFileError
from shiftvae_rt.encode.modulo import modulo_lattice
from shiftvae_rt.encode.routes import DenseRoute, GraphRoute, WindowRoute
from shiftvae_rt.model.model_file import write_model_file
from shiftvae_training.graphs.graph_builder import GraphBuilder
from shiftvae_training.model.encoder_weights import StemLayer


def mlp_weights(*, channels=1, dimensions=2, seed=0):
    """A random mlp: window 16 px."""
    like, rng = tiny_weights(channels=channels, dimensions=dimensions), np.random.default_rng(seed)
    kernel = rng.normal(size=(24, channels, *like.window)) / 16
    kernel -= kernel.mean((2, 3), keepdims=True)
    head = ((rng.normal(size=(like.head[0][0].shape[0], 24)) / 5).astype(np.float32), like.head[0][1])
    return replace(
        like,
        stem=(StemLayer(kernel.astype(np.float32), 1),),
        stem_relu=False,
        stem_bias=rng.normal(size=24).astype(np.float32),
        head=(head, like.head[1]),
        channel_scale=tuple(0.5 + 0.25 * c for c in range(channels)),
    )


def small_window_weights(window):
    """A dilated encoder whose window is smaller than what stride 8 steps over."""
    plan = {8: ((4, 1), (3, 2)), 12: ((4, 1), (3, 2), (3, 2))}[window]
    rng, stem, before = np.random.default_rng(0), [], 1
    for size, dilation in plan:
        kernel = rng.normal(size=(16, before, size, size)) / size
        kernel -= kernel.mean((2, 3), keepdims=True) if before == 1 else 0
        stem.append(StemLayer(kernel.astype(np.float32), dilation))
        before = 16
    like = tiny_weights()
    first = (like.head[0][0][:, :16].copy(), like.head[0][1])
    return replace(like, window=(window, window), stem=tuple(stem), head=(first, like.head[1]))


def narrow_weights(window, *, channels=1):
    """An encoder with a large first layer, a 1x1 layer in its stem and one in its head."""
    plan = {12: ((8, 1), (2, 4), (1, 8)), 16: ((8, 1), (3, 4), (1, 8))}[window]
    rng, stem, before = np.random.default_rng(0), [], channels
    for size, dilation in plan:
        kernel = rng.normal(size=(16, before, size, size)) / size
        kernel -= 0 if stem else kernel.mean((2, 3), keepdims=True)
        stem.append(StemLayer(kernel.astype(np.float32), dilation))
        before = 16
    like = tiny_weights(channels=channels)
    head = ((rng.normal(size=(10, 16)) / 4).astype(np.float32), like.head[-1][1])
    return replace(like, window=(window, window), stem=tuple(stem), head=(head,))


def write(path, weights):
    write_model_file(path, tiny_manifest(weights), tiny_members(weights))
    return path


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("routes")
    return {
        "dilated": write_tiny_model(folder / "dilated.svae"),
        "dilated, two channels": write_tiny_model(folder / "two.svae", channels=2),
        "dilated, window 8": write(folder / "eight.svae", small_window_weights(8)),
        "dilated, window 12": write(folder / "twelve.svae", small_window_weights(12)),
        "turning": write_tiny_model(folder / "turning.svae", turning=True),
        "turning, two channels": write_tiny_model(folder / "turning2.svae", turning=True, channels=2),
        "narrow": write(folder / "narrow.svae", narrow_weights(16)),
        "narrow, two channels": write(folder / "narrow2.svae", narrow_weights(16, channels=2)),
        "narrow, window 12": write(folder / "narrow12.svae", narrow_weights(12)),
        "mlp": write(folder / "mlp.svae", mlp_weights()),
        "mlp, two channels": write(folder / "mlp2.svae", mlp_weights(channels=2)),
    }


@pytest.fixture(scope="module")
def mappers(models):
    return {(n, s): LatentMapper(path, stride=s) for n, path in models.items() for s in (1, 2, 4, 8, 16, 24)}


def frame_of(kind, channels=1, shape=(61, 43)):
    rng = np.random.default_rng(5)
    base = rng.normal(200, 3, (channels, *shape))
    if kind == "step":
        base[:, :, shape[1] // 2 :] += 59800
    if kind == "offset":
        base += 59800
    return base.round().astype(np.uint16)


NAMES = [
    *(
        "dilated",
        "dilated, two channels",
        "dilated, window 8",
        "dilated, window 12",
        "turning",
        "turning, two channels",
    ),
    *("narrow", "narrow, two channels", "narrow, window 12", "mlp", "mlp, two channels"),
]


@given(
    name=st.sampled_from(NAMES),
    stride=st.sampled_from([1, 2, 4, 8, 16, 24]),
    cuts=st.sets(st.integers(1, 60), max_size=15),
    dtype=st.sampled_from(["uint16", "int32", "float32", "float64"]),
    kind=st.sampled_from(["plain", "step", "offset"]),
)
@settings(max_examples=150, deadline=None)
def test_rows_in_any_parts_give_the_whole_frame_to_the_bit(mappers, name, stride, cuts, dtype, kind):
    mapper = mappers[name, stride]
    frame = frame_of(kind, mapper.model.manifest.channels).astype(dtype)
    scan = mapper.begin_scan(frame.shape[1:], dtype=dtype)
    for top, end in pairwise([0, *sorted(cuts), 61]):
        scan.push_rows(frame[:, top:end])
    whole = mapper.map(frame)
    np.testing.assert_array_equal(scan.result().mean, whole.mean)
    np.testing.assert_array_equal(scan.result().std, whole.std)


@pytest.mark.parametrize("name", NAMES)
def test_lines_one_by_one_between_larger_parts_give_the_whole_frame_to_the_bit(mappers, name):
    mapper = mappers[name, 1]
    frame = frame_of("plain", mapper.model.manifest.channels)
    edges = [0, *range(35, 41), 43, *range(44, 47), 53, *range(54, 62)]
    scan = mapper.begin_scan(frame.shape[1:], dtype=frame.dtype)
    for top, end in pairwise(edges):
        scan.push_rows(frame[:, top:end])
    whole = mapper.map(frame)
    np.testing.assert_array_equal(scan.result().mean, whole.mean)
    np.testing.assert_array_equal(scan.result().std, whole.std)


def latents_in_float64(weights, windows):
    """Means ``(4, N)`` of normalised windows ``(N, C, h, w)``."""
    x = windows
    for layer in weights.stem:
        size, dilation = layer.weight.shape[2], layer.dilation
        reach = (size - 1) * dilation
        out = np.zeros((len(x), len(layer.weight), x.shape[2] - reach, x.shape[3] - reach))
        for i in range(size):
            for j in range(size):
                part = x[:, :, i * dilation :, j * dilation :][:, :, : out.shape[2], : out.shape[3]]
                out += np.einsum("oc,nchw->nohw", layer.weight[:, :, i, j].astype(np.float64), part)
        x = np.maximum(out, 0) if weights.stem_relu else out
    x = x[:, :, 0, 0]
    if weights.stem_bias is not None:
        x = np.tanh(x + weights.stem_bias)
    for index, (weight, bias) in enumerate(weights.head):
        x = (np.tanh(x) if index else x) @ weight.T.astype(np.float64) + bias
    cosine, sine, _, content, _ = x.T.reshape(5, 2, -1)
    return np.concatenate([weights.lattice.T / (2 * np.pi) @ np.arctan2(sine, cosine), content])


@pytest.mark.parametrize("kind", ["plain", "offset", "step"])
@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("dilated", tiny_weights()),
        ("narrow", narrow_weights(16)),
        ("mlp", mlp_weights()),
        ("mlp, two channels", mlp_weights(channels=2)),
    ],
    ids=["dilated", "narrow", "mlp", "mlp, two channels"],
)
def test_a_frame_with_any_step_is_encoded_as_its_windows_are_in_float64(mappers, name, weights, kind):
    """A step from 200 to 60000 beside windows of deviation 3: float32 on raw values would be off by a tenth."""
    mapper = mappers[name, 1]
    frame = frame_of(kind, len(weights.channel_scale))
    result = mapper.map(frame)
    scale = np.reshape(weights.channel_scale, (-1, 1, 1))
    scaled = frame * scale
    places = [(y, x) for y in range(0, 46, 5) for x in range(28)]
    windows = np.stack([scaled[:, y : y + 16, x : x + 16] for y, x in places])
    windows -= windows.mean((2, 3), keepdims=True)
    windows /= np.sqrt((windows**2).mean((1, 2, 3), keepdims=True))
    off = result.mean[:, [y for y, _ in places], [x for _, x in places]] - latents_in_float64(weights, windows)
    off[:2] = modulo_lattice(off[:2], weights.lattice)
    spread = result.mean.reshape(4, -1).std(axis=1, dtype=np.float64)
    assert np.abs(off / spread[:, None]).max() < 5e-5


def test_an_abandoned_scan_leaves_nothing_for_the_next(mappers):
    for name in ("dilated", "mlp"):
        mapper, frame = mappers[name, 1], frame_of("plain")[0]
        abandoned = mapper.begin_scan(frame.shape, dtype=np.uint16)
        abandoned.push_rows(frame[::-1][:37])
        scan = mapper.begin_scan(frame.shape, dtype=np.uint16)
        for top in range(0, 61, 7):
            scan.push_rows(frame[top : top + 7])
        np.testing.assert_array_equal(scan.result().mean, mapper.map(frame).mean)
        abandoned.push_rows(frame[::-1][37:])  # and goes on where it was
        np.testing.assert_array_equal(abandoned.result().mean, mapper.map(np.ascontiguousarray(frame[::-1])).mean)


@pytest.mark.parametrize("name", ["dilated", "mlp"])
def test_the_lines_that_a_scan_keeps_do_not_grow(mappers, name):
    mapper = mappers[name, 1]
    rows = np.random.default_rng(0).poisson(100, (400, 64)).astype(np.uint16)
    scan, kept = mapper.begin_scan(rows.shape, dtype=np.uint16), []
    for row in rows:
        scan.push_rows(row[None])
        kept.append(scan._lines.nbytes)
    assert max(kept[20:-1]) == min(kept[20:-1])
    assert max(kept) <= 17 * 64 * 2


def test_each_network_takes_its_route(mappers):
    assert isinstance(mappers["dilated", 4].route, DenseRoute)
    for name, stride in (("dilated", 4), ("dilated, window 8", 8)):  # also where layers leave lines out
        assert "layers keep their last lines" in mappers[name, stride].route.description
    for stride, way in (
        (1, "from the spectra of lines"),
        (4, "from the spectra of lines"),
        (8, "each cut and encoded by itself"),
    ):
        route = mappers["mlp", stride].route
        assert isinstance(route, WindowRoute)
        assert way in route.description


@pytest.mark.parametrize("stride", [1, 4, 24])
@pytest.mark.parametrize("name", [n for n in NAMES if "mlp" not in n])
def test_the_graph_for_other_processors_gives_the_same_latents(mappers, name, stride):
    mapper = mappers[name, stride]
    frame, route = (
        frame_of("plain", mapper.model.manifest.channels),
        GraphRoute(mapper.model, stride, provider="onnxruntime"),
    )
    whole = mapper.map(frame)
    mean, std = route.encode(frame, np.zeros(()))
    off = mean - whole.mean
    off[:2] = modulo_lattice(off[:2], np.reshape(mapper.model.manifest.lattice, (-1, 2)))
    assert np.abs(off / np.maximum(whole.mean.std((1, 2), keepdims=True), 0.1)).max() < 1e-4  # some phases are vague
    np.testing.assert_allclose(std, whole.std, rtol=1e-4)
    assert "dense graph" in route.description
    assert route.rows(43, np.zeros(())) is None
    spoilt = np.zeros((len(frame), 40, 40))
    spoilt[:, 20, 20] = 1e300
    with pytest.raises(FrameError, match="more than float32 can hold"):
        route.encode(spoilt, np.zeros(()))


@pytest.mark.parametrize("name", ["mlp", "mlp, two channels"])
def test_both_ways_through_a_first_layer_give_the_same_latents(mappers, name):
    """At stride 8 it multiplies each window, at strides 1, 2 and 4 the spectra of lines."""
    frame = frame_of("plain", channels=1 + ("two" in name), shape=(200, 300))
    cut = mappers[name, 8].map(frame)
    for stride in (1, 2, 4):
        found, step = mappers[name, stride].map(frame), 8 // stride
        off = found.mean[:, ::step, ::step] - cut.mean
        off[:2] = modulo_lattice(off[:2], mlp_weights().lattice)
        assert np.abs(off / cut.mean.std((1, 2), keepdims=True)).max() < 2e-5
        np.testing.assert_allclose(found.std[:, ::step, ::step], cut.std, rtol=1e-5)


def test_a_model_of_another_version_is_refused(tmp_path):
    """Its windows gave maps of four axes."""
    weights = mlp_weights()
    members = {n: m for n, m in tiny_members(weights).items() if n not in ("filters.onnx", "features.onnx")}
    build = GraphBuilder()
    build.node("Unsqueeze", "windows", build.constant([0, 2], np.int64), output="mean")
    members["windows.onnx"] = build.serialise("old", {"windows": ["N", 256]}, {"mean": [1, "N", 1, 256]})
    write_model_file(tmp_path / "old.svae", tiny_manifest(weights), members)
    with pytest.raises(ModelFileError, match=r"windows\.onnx is of another version: export the model again"):
        LatentMapper(tmp_path / "old.svae")


def test_a_model_that_lacks_the_rest_of_its_network_is_refused(tmp_path):
    weights = mlp_weights()
    members = tiny_members(weights)
    del members["features.onnx"]
    write_model_file(tmp_path / "half.svae", tiny_manifest(weights), members)
    with pytest.raises(ModelFileError, match=r"lacks features\.onnx: export the model again"):
        LatentMapper(tmp_path / "half.svae")


def test_a_line_goes_through_the_window_route(tmp_path):
    weights = mlp_weights(dimensions=1)
    head = (tiny_weights(dimensions=1).head[0][0][:, :24].copy(), weights.head[0][1])
    mapper = LatentMapper(write(tmp_path / "line.svae", replace(weights, head=(head, weights.head[1]))), stride=2)
    line = np.random.default_rng(0).poisson(100, 90).astype(np.uint16)
    assert mapper.map(line).mean.shape == (3, 1, 38)


def test_differences_beyond_float32_are_refused(mappers):
    frame = np.zeros((40, 40))
    frame[20, 20] = 1e300
    with pytest.raises(FrameError, match="more than float32 can hold"):
        mappers["dilated", 4].map(frame)


SCRIPT = """
import numpy as np, sys
from shiftvae_rt import LatentMapper
mapper = LatentMapper(sys.argv[1], stride=4)
frame = np.random.default_rng(0).integers(0, 4096, (4096, 4096), dtype=np.uint16)
mapper.map(frame)
print(open("/proc/self/status").read().split("VmHWM:")[1].split()[0])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak memory from /proc")
@pytest.mark.parametrize("name", ["dilated", "mlp"])
def test_a_frame_of_4096_px_takes_less_than_1500_mb(models, name):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(models[name])], capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) / 1024 < 1500
