"""Verdicts on the domain and drawings of the decoder are those of Python; threads do not change a bit of a map."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from c_library import ARGUMENT, FILE, FRAME, OK, UNSUPPORTED, Library, RefusedError
from tiny_models import tiny_domain, tiny_manifest, tiny_members, tiny_weights

from shiftvae_rt import LatentMapper
from shiftvae_rt.encode.onnx_graph import run_graph
from shiftvae_rt.model.manifest import Latent
from shiftvae_rt.model.model_file import ModelFile, write_model_file
from shiftvae_rt.simulator import Crystal, Microscope
from shiftvae_training.graphs.decoder_graph import decoder_graph
from shiftvae_training.model.rotation import Rotation
from shiftvae_training.model.scale import Scale
from shiftvae_training.model.shift import TorusShift
from shiftvae_training.model.shift_vae import Member, ShiftVAE

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.timeout(600)  # the first of them builds the library

SQUARE = torch.tensor([[10.0, 0.0], [0.0, 10.0]])
MEMBERS = {
    "template": Member(),
    "turned and scaled": Member(further=(Rotation(1), Scale(0.1))),
    "coordinates": Member(decoder="coordinate"),
    "classes": Member(classes=("a", "b")),
}


def drawing_model(member: Member, path: Path) -> Path:
    """A model file with the decoder of a member of the family; every number is random."""
    torch.manual_seed(0)
    model = ShiftVAE(
        "convolutional", (16, 16), (1.0,), shift=TorusShift(SQUARE), content=2, sd_floor=1e-3, member=member
    )
    with torch.no_grad():
        for parameter in model.decoder.parameters():
            parameter.normal_(0, 0.3)
    weights = model.eval().weights()
    reported = [
        Latent(name=one.name, unit=one.unit, kind=one.kind, period=one.period, kl_nats=1.0, spread=1.0)
        for one in model.reported
    ]
    manifest = tiny_manifest(weights, latents=tuple(reported), domain=None)
    write_model_file(path, manifest, tiny_members(weights) | {"decoder.onnx": decoder_graph(model)})
    return path


#: Limits that a frame can exceed, of which one at a time is narrow.
LIMITS = {
    "strain": {"most_strain": 0.05, "most_structure": 10.0},
    "motif": {"most_strain": 1.0, "most_structure": 10.0, "structure": -1000.0},
    "windows": {"most_strain": 1.0, "most_structure": 10.0, "most_windows_out": 0.1},
}
SAID = {"strain": "the period along x is", "motif": "another motif", "windows": "of the windows are unlike"}


@pytest.fixture(params=LIMITS)
def limits(request, tmp_path) -> Path:
    """A model with such limits."""
    weights = tiny_weights()
    size = len(tiny_domain(weights).centre)
    unlike = 1.0 if request.param == "windows" else 0.2
    rng = np.random.default_rng(3)
    domain = tiny_domain(
        weights,
        centre=tuple(rng.normal(0, 0.2, size).tolist()),
        whitening=tuple(map(tuple, (unlike * np.eye(size) + 0.02 * rng.normal(size=(size, size))).tolist())),
        strain=((0.01, -0.02), (0.03, 0.0)),
        **LIMITS[request.param],
    )
    write_model_file(tmp_path / f"{request.param}.svae", tiny_manifest(weights, domain=domain), tiny_members(weights))
    return tmp_path / f"{request.param}.svae"


def frame_of(kind: str) -> np.ndarray:
    crystal = Crystal(vectors=((10.0, 0.0), (0.0, 10.0)), sigma_a_px=1.4, sigma_b_px=1.2)
    counts = Microscope(crystal, shape=(150, 170), dose=2.0).frame(0).pixels
    frames = {
        "counts": counts,
        "faint": (counts * 1e-7).astype(np.float32),
        "on an offset": (counts + 4e8).astype(np.float32),
        "doubles": counts.astype(np.float64),
        "stretched": counts[::2, ::2],
    }
    return np.ascontiguousarray(np.atleast_3d(frames[kind]).reshape(1, *frames[kind].shape[-2:]))


@pytest.mark.parametrize("stride", [1, 4])
@pytest.mark.parametrize("kind", ["counts", "faint", "on an offset", "doubles", "stretched"])
def test_the_verdict_is_that_of_python(library: Library, limits, kind, stride):
    frame = frame_of(kind)
    wanted = LatentMapper(limits, stride=stride).map(frame).domain
    scan = library.open(limits, stride).begin(frame)
    scan.push(frame)
    score, out, reason = scan.verdict()
    assert score == pytest.approx(wanted.score, rel=2e-3, abs=2e-4)
    assert out == pytest.approx(wanted.windows_out, abs=2e-3)
    assert reason == wanted.reason


def test_each_check_speaks(limits):
    assert SAID[limits.stem] in LatentMapper(limits).map(frame_of("counts")).domain.reason
    assert "rescaled" in LatentMapper(limits).map(frame_of("faint")).domain.reason
    assert "subtract it" in LatentMapper(limits).map(frame_of("on an offset")).domain.reason


def test_a_verdict_in_mid_scan_is_of_the_rows_so_far(library: Library, limits):
    frame, mapper = frame_of("counts"), LatentMapper(limits, stride=4)
    scan = library.open(limits, 4).begin(frame)
    with pytest.raises(RefusedError, match="no row of the map") as refused:
        scan.verdict()
    assert refused.value.code == FRAME
    scan.push(frame[:, :80])
    early = scan.verdict()
    wanted = mapper.map(frame[:, :80]).domain
    assert early[0] > 0
    assert early[1] == pytest.approx(wanted.windows_out, abs=2e-3)


def test_a_model_without_a_domain_has_no_verdict(library: Library, tmp_path):
    path = drawing_model(MEMBERS["template"], tmp_path / "model.svae")
    frame = frame_of("counts")
    scan = library.open(path, 4).begin(frame)
    scan.push(frame)
    with pytest.raises(RefusedError, match="does not know its domain") as refused:
        scan.verdict()
    assert refused.value.code == UNSUPPORTED


@pytest.mark.parametrize("name", ["template", "turned and scaled", "coordinates"])
def test_windows_are_drawn_as_by_python(library: Library, tmp_path, name):
    path = drawing_model(MEMBERS[name], tmp_path / "model.svae")
    model, mapper = library.open(path, 4), LatentMapper(path)
    latents = np.random.default_rng(1).normal(0, 3, (700, len(mapper.names))).astype(np.float32)
    drawn = model.draw(latents, (1, 16, 16))
    wanted = run_graph(mapper.model.graph("decoder.onnx"), {"latents": latents})[0]
    assert wanted.std() > 0.1
    np.testing.assert_allclose(drawn, wanted, atol=1e-4)


@pytest.mark.parametrize("name", ["template", "turned and scaled", "coordinates"])
def test_a_decoder_with_changed_bytes_draws_or_is_refused(library: Library, tmp_path, name):
    path = drawing_model(MEMBERS[name], tmp_path / "model.svae")
    file = ModelFile.read(path)
    members = {one: file.graph(one) for one in file.manifest.members}
    rng = np.random.default_rng(5)
    latents = np.zeros((2, len(file.manifest.latents)), np.float32)
    outcomes = {OK: 0, FILE: 0, UNSUPPORTED: 0}
    for _ in range(int(os.environ.get("SHIFTVAE_TRIES", "15"))):
        decoder = bytearray(members["decoder.onnx"])
        nodes = decoder[: decoder.index(b"decoder")] if b"decoder" in decoder else decoder  # numbers come after them
        for _ in range(rng.integers(1, 4)):
            decoder[rng.integers(len(nodes))] = rng.integers(256)
        write_model_file(tmp_path / "changed.svae", file.manifest, members | {"decoder.onnx": bytes(decoder)})
        try:
            library.open(tmp_path / "changed.svae", 4).draw(latents, (1, 16, 16))
            outcomes[OK] += 1
        except RefusedError as refused:
            outcomes[refused.code] += 1
    assert outcomes[FILE] > 0


def test_a_decoder_by_classes_is_said_to_be_unknown(library: Library, tmp_path):
    model = library.open(drawing_model(MEMBERS["classes"], tmp_path / "model.svae"), 4)
    with pytest.raises(RefusedError, match="classes") as refused:
        model.draw(np.zeros((1, 4)), (1, 16, 16))
    assert refused.value.code == UNSUPPORTED


@pytest.mark.parametrize("stride", [1, 4, 24])
@pytest.mark.parametrize("threads", [2, 3, 64])
def test_threads_do_not_change_a_bit(library: Library, models, threads, stride):
    frame = np.random.default_rng(0).integers(0, 60000, (2, 130, 90)).astype(np.uint16)
    model = library.open(models[2], stride)
    wanted = model.map(frame)
    model.use_threads(threads)
    for found, one in zip(model.map(frame), wanted, strict=True):
        np.testing.assert_array_equal(found.view(np.uint32), one.view(np.uint32))


def test_a_frame_is_refused_with_threads_too(library: Library, models):
    model = library.open(models[1], 4)
    model.use_threads(2)
    frame = np.ones((1, 90, 90), np.float32)
    with pytest.raises(RefusedError, match="constant"):
        model.map(frame)
    frame[0, 70] = 1e38
    frame[0, 71] = -3e38
    with pytest.raises(RefusedError, match="float32"):
        model.map(frame)
    with pytest.raises(RefusedError, match="1 to 256") as refused:
        model.use_threads(0)
    assert refused.value.code == ARGUMENT
