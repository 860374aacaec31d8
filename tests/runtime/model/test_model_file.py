"""A model file is read whole and checked, or refused with a reason."""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
from tiny_models import tiny_manifest, tiny_members, tiny_weights

from shiftvae_rt import LatentMapper, ModelFile, ModelFileError
from shiftvae_rt.errors import DataFileError
from shiftvae_rt.model.manifest import Manifest
from shiftvae_rt.model.model_file import Golden, write_model_file

WEIGHTS = tiny_weights()
LONG = os.environ.get("SHIFTVAE_LONG") == "1"
#: Bits that are flipped anywhere in a file, beside those of the zip's records.
ANYWHERE = 10_000 if LONG else 200


@pytest.fixture(scope="module")
def members():
    return tiny_members(WEIGHTS)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.svae"


def read_zip(path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_zip(path, members: dict[str, bytes], **options) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, **options)


def write_manifest(path, original, change) -> None:
    """The model file at `original` with its manifest changed as JSON, else intact."""
    members = read_zip(original)
    manifest = json.loads(members["manifest.json"])
    change(manifest)
    write_zip(path, members | {"manifest.json": json.dumps(manifest).encode()})


def test_a_model_file_comes_back_as_it_was_written(path, members):
    write_model_file(path, tiny_manifest(WEIGHTS), members)
    model = ModelFile.read(path)
    assert {name: model.graph(name) for name in members} == members
    assert model.to_bytes() == path.read_bytes()
    assert ModelFile.from_bytes(path.read_bytes(), path) == model
    assert model.manifest.window == (16, 16)
    assert model.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert {n: m.size for n, m in model.manifest.members.items()} == {n: len(c) for n, c in members.items()}
    assert model.encoder_graph(2) == members["encoder_s2.onnx"]
    assert model.decoder_graph == members["decoder.onnx"]
    assert model.report is None
    assert path.stat().st_size > 0
    assert [p.name for p in path.parent.iterdir()] == ["model.svae"]


def test_the_report_comes_back(path, members):
    write_model_file(path, tiny_manifest(WEIGHTS), members | {"report.html": "<p>µ".encode()})
    assert ModelFile.read(path).report == "<p>µ"


def test_the_manifest_survives_json():
    manifest = tiny_manifest(WEIGHTS)
    assert Manifest.from_json(manifest.to_json()) == manifest


def test_a_latent_without_information_does_not_vary():
    manifest = tiny_manifest(WEIGHTS)
    flat = msgspec.structs.replace(manifest.latents[3], kl_nats=0.01)
    assert msgspec.structs.replace(manifest, latents=(*manifest.latents[:3], flat)).varies == (True, True, True, False)


def test_a_failed_write_leaves_the_old_file_and_no_part(path, members, monkeypatch):
    path.write_bytes(b"old")
    write = Path.write_bytes

    def disk_full(part, data):
        write(part, data[: len(data) // 2])
        raise OSError(28, "No space left")

    monkeypatch.setattr(Path, "write_bytes", disk_full)
    with pytest.raises(DataFileError, match=r"cannot write .*model\.svae: No space left"):
        write_model_file(path, tiny_manifest(WEIGHTS), members)
    assert path.read_bytes() == b"old"
    assert [p.name for p in path.parent.iterdir()] == ["model.svae"]


def test_a_missing_file_is_named(path):
    with pytest.raises(ModelFileError, match=r"cannot read the model file .*model\.svae: No such file"):
        ModelFile.read(path)


def test_a_folder_is_not_a_model_file(tmp_path):
    with pytest.raises(ModelFileError, match="cannot read the model file .*: Is a directory"):
        ModelFile.read(tmp_path)


@pytest.mark.parametrize(
    "data", [b"", b"PK", b"\x89PNG\r\n", b"PK\x05\x06" + bytes(18)], ids=["empty", "PK", "png", "zip"]
)
def test_a_foreign_file_is_refused(path, data):
    path.write_bytes(data)
    with pytest.raises(ModelFileError, match="not a shiftvae model file"):
        ModelFile.read(path)


def test_a_foreign_zip_is_refused(path):
    write_zip(path, {"word/document.xml": b"<w/>"})
    with pytest.raises(ModelFileError, match=r"has no manifest\.json: it is not a shiftvae model file"):
        ModelFile.read(path)


def test_a_file_cut_anywhere_is_refused(path, tiny_model):
    data = tiny_model.read_bytes()
    for size in np.linspace(0, len(data) - 1, 60).astype(int):
        path.write_bytes(data[:size])
        with pytest.raises(ModelFileError):
            ModelFile.read(path)


def test_a_compressed_member_is_refused(path, tiny_model):
    write_zip(path, read_zip(tiny_model), compress_type=zipfile.ZIP_DEFLATED)
    with pytest.raises(ModelFileError, match=r"manifest\.json' is compressed"):
        ModelFile.read(path)


def test_a_doubled_member_is_refused(path, tiny_model):
    write_zip(path, read_zip(tiny_model))
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("decoder.onnx", b"second")
    with pytest.raises(ModelFileError, match=r"decoder\.onnx' is compressed, doubled"):
        ModelFile.read(path)


def test_a_member_over_its_cap_is_refused(path, tiny_model):
    write_zip(path, read_zip(tiny_model) | {"manifest.json": b" " * ((1 << 20) + 1)})
    with pytest.raises(ModelFileError, match=r"manifest\.json' is .* larger than 1048576 bytes"):
        ModelFile.read(path)


def test_members_that_share_their_bytes_are_refused(path):
    """One inside the other, and so on, would fill the memory from a small file."""
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("b", bytes(1000))
    record = inner.getvalue().index(b"PK\x01\x02")
    write_zip(path, {"a": inner.getvalue()[:record]})  # the data of a are the whole of b
    data = path.read_bytes()
    start, end = data.index(b"PK\x01\x02"), data.index(b"PK\x05\x06")
    entry = bytearray(inner.getvalue()[record : inner.getvalue().index(b"PK\x05\x06")])
    entry[42:46] = (31).to_bytes(4, "little")  # where b starts: behind the header of a
    tail = bytearray(data[end:])
    tail[8:12] = (2).to_bytes(2, "little") * 2
    tail[12:16] = (end - start + len(entry)).to_bytes(4, "little")
    path.write_bytes(data[:end] + entry + tail)
    with pytest.raises(ModelFileError, match="[Oo]verlap"):  # newer Pythons say it themselves
        ModelFile.read(path)


def test_a_file_that_is_too_large_is_refused_unread(path):
    with path.open("wb") as file:
        file.truncate((512 << 20) + 1)  # takes no room on the disk
    with pytest.raises(ModelFileError, match="has 536870913 bytes, more than the 536870912"):
        ModelFile.read(path)


def flips(data: bytes) -> np.ndarray:
    """Bits to flip: every one of the zip's own records and of the start of the manifest, and some anywhere."""
    locals_, at = [], data.find(b"PK\x03\x04")
    while at >= 0:
        locals_ += range(at, at + 50)
        at = data.find(b"PK\x03\x04", at + 1)
    own = np.unique([*locals_, *range(data.index(b"PK\x01\x02"), len(data))])
    anywhere = np.random.default_rng(0).integers(8 * len(data), size=ANYWHERE)
    return np.concatenate([*(own * 8 + bit for bit in (range(8) if LONG else (0, 5))), anywhere])


@pytest.mark.timeout(3600)
def test_any_flipped_bit_is_refused(path, tiny_model):
    data = tiny_model.read_bytes()
    for bit in flips(data):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << (bit % 8)
        path.write_bytes(damaged)
        try:
            ModelFile.read(path)
        except ModelFileError:
            continue
        pytest.fail(f"bit {bit} of {8 * len(data)} was not noticed")


def test_a_zip_with_records_of_its_own_is_refused(path, tiny_model):
    path.write_bytes(tiny_model.read_bytes())
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = b"mine"
    with pytest.raises(ModelFileError, match="the records of the zip are not as exported: copy the file again"):
        ModelFile.read(path)


def test_a_member_whose_name_no_export_writes_is_refused(path, tiny_model):
    """Read as cp437 it has 40,000 letters; written again it would not fit into a record."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("a" * 40_000, b"")
    path.write_bytes(data.getvalue().replace(b"a" * 40_000, b"\x80" * 40_000))
    with pytest.raises(ModelFileError, match="has no place in a model file"):
        ModelFile.read(path)


@pytest.mark.parametrize("name", ["encoder_s1.onnx", "decoder.onnx", "golden.npz"])
def test_a_member_that_is_not_what_was_exported_is_refused(path, tiny_model, name):
    members = read_zip(tiny_model)
    changed = bytearray(members[name])
    changed[len(changed) // 2] ^= 1
    write_zip(path, members | {name: bytes(changed)})
    with pytest.raises(ModelFileError, match=f"{name} is not what was exported"):
        ModelFile.read(path)


def test_a_member_that_the_manifest_does_not_know_is_refused(path, tiny_model):
    write_zip(path, read_zip(tiny_model) | {"extra.txt": b"?"})
    with pytest.raises(ModelFileError, match=r"members and manifest disagree about extra\.txt"):
        ModelFile.read(path)


@pytest.mark.parametrize("name", ["encoder_s4.onnx", "golden.npz"])
def test_a_file_that_lacks_a_member_is_refused(path, members, name):
    write_model_file(path, tiny_manifest(WEIGHTS), {n: c for n, c in members.items() if n != name})
    with pytest.raises(ModelFileError, match=f"lacks {name}"):
        ModelFile.read(path)


def test_a_file_without_a_decoder_is_whole(path, members):
    manifest = tiny_manifest(WEIGHTS, domain=None)
    write_model_file(path, manifest, {n: c for n, c in members.items() if n != "decoder.onnx"})
    assert ModelFile.read(path).decoder_graph is None


@pytest.mark.parametrize("field", tiny_manifest(WEIGHTS).__struct_fields__, ids=str)
def test_a_missing_field_is_named(path, tiny_model, field):
    write_manifest(path, tiny_model, lambda manifest: manifest.pop(field))
    with pytest.raises(ModelFileError, match=f"missing required field `{field}`"):
        ModelFile.read(path)


def test_an_unknown_field_is_named(path, tiny_model):
    write_manifest(path, tiny_model, lambda manifest: manifest["training"].update(momentum=1))
    with pytest.raises(ModelFileError, match=r"unknown field `momentum`.*\$\.training"):
        ModelFile.read(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "shiftvae-model-1"}, r"\$\.format.*another version"),
        ({"channels": "one"}, r"\$\.channels"),
        ({"dimensions": 3}, r"\$\.dimensions"),
        ({"channels": 0}, "channels 0"),
        ({"channels": 2}, "1 channel scales"),
        ({"window": [16, 0]}, r"window \(16, 0\)"),
        ({"window": [16, 2000]}, r"window \(16, 2000\)"),
        ({"strides": []}, r"strides \(\)"),
        ({"strides": [4, 2]}, r"strides \(4, 2\)"),
        ({"strides": [0, 2]}, r"strides \(0, 2\)"),
        ({"dimensions": 1}, "window 16 px high.*shift latents"),
        ({"superlattice": [[0.5, 0.0]]}, "0 order latents for 1 superlattice vectors"),
        ({"latents": []}, r"shift latents \[\]"),
        ({"training": None}, "neither trained nor imported"),
        ({"lattice": [[None, 1]]}, r"\$\.lattice"),
    ],
    ids=str,
)
def test_a_manifest_that_contradicts_itself_is_refused(path, tiny_model, change, message):
    write_manifest(path, tiny_model, lambda manifest: manifest.update(change))
    with pytest.raises(ModelFileError, match=message):
        ModelFile.read(path)


def test_latents_in_another_order_or_of_one_name_are_refused(path, tiny_model):
    write_manifest(path, tiny_model, lambda manifest: manifest["latents"].reverse())
    with pytest.raises(
        ModelFileError, match="latents that are not in the order shift, grain, rotation, scale, order, content"
    ):
        ModelFile.read(path)
    write_manifest(path, tiny_model, lambda manifest: manifest["latents"][3].update(name="z1"))
    with pytest.raises(ModelFileError, match="two latents of one name"):
        ModelFile.read(path)


def with_golden(path, members, **changes) -> None:
    golden = Golden.from_npz(members["golden.npz"], (1, 2, 4, 8))
    fields = {"frame": golden.frame, "mean": golden.mean, "std": golden.std} | changes
    write_model_file(path, tiny_manifest(WEIGHTS), members | {"golden.npz": Golden(**fields).to_npz()})


def test_a_model_whose_test_frame_comes_out_wrong_is_refused(path, members):
    golden = Golden.from_npz(members["golden.npz"], (1, 2, 4, 8))
    for stride in (1, 4):
        with_golden(path, members, mean=golden.mean | {stride: golden.mean[stride] + np.float32(0.01)})
        with pytest.raises(ModelFileError, match="its test frame comes out wrong by"):
            LatentMapper(path, stride=stride)
        LatentMapper(path, stride=2)
    with_golden(path, members, std=golden.std | {4: golden.std[4] * np.float32(1.1)})
    with pytest.raises(ModelFileError, match="its test frame comes out wrong by"):
        LatentMapper(path, stride=4)


def test_a_test_frame_that_is_off_by_a_lattice_vector_is_right(path, members):
    golden = Golden.from_npz(members["golden.npz"], (1, 2, 4, 8))
    turned = golden.mean[4].copy()
    turned[0, 0, 0] += np.float32(10)
    turned[1, 1, 1] -= np.float32(10)
    with_golden(path, members, mean=golden.mean | {4: turned})
    LatentMapper(path, stride=4)


@pytest.mark.parametrize("latent", [0, 3, 5, 7], ids=["phase", "width", "content", "content sd"])
def test_a_model_that_gives_nan_is_refused(path, latent):
    weights = tiny_weights()
    raw = {0: 0, 3: 4, 5: 6, 7: 8}[latent]
    weights.head[-1][1][raw] = np.nan
    write_model_file(path, tiny_manifest(weights), tiny_members(weights))
    with pytest.raises(ModelFileError, match="comes out wrong by nan"):
        LatentMapper(path)


def test_a_test_frame_of_another_shape_is_refused(path, members):
    golden = Golden.from_npz(members["golden.npz"], (1, 2, 4, 8))
    with_golden(path, members, mean=golden.mean | {4: golden.mean[4][:, :-1]})
    with pytest.raises(ModelFileError, match="its encoder gives shape"):
        LatentMapper(path, stride=4)


def npz(**arrays) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no zip",
        npz(frame=np.zeros((1, 40, 48))),
        npz(frame=np.array([{}])),
        npz(frame=np.full((1, 9, 9), np.nan)),
    ],
    ids=["empty", "garbage", "strides lacking", "pickle", "nan"],
)
def test_test_vectors_that_cannot_be_read_are_refused(path, members, data):
    write_model_file(path, tiny_manifest(WEIGHTS), members | {"golden.npz": data})
    with pytest.raises(ModelFileError, match=r"golden\.npz"):
        LatentMapper(path)


def test_compressed_test_vectors_are_refused(path, members):
    """A few bytes of them could fill the memory."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, frame=np.zeros((1, 40, 48), np.uint16))
    write_model_file(path, tiny_manifest(WEIGHTS), members | {"golden.npz": buffer.getvalue()})
    with pytest.raises(ModelFileError, match=r"golden\.npz: member 'frame\.npy' is compressed"):
        LatentMapper(path)


def test_layers_that_onnxruntime_refuses_or_whose_code_means_something_else_are_named(path, members):
    layers = onnx.load_from_string(members["layers.onnx"])
    told = {entry.key: entry.value for entry in layers.metadata_props}
    readout = {"axes": 2, "vectors": [], "planar_px": 1, "planar_reach_px": 0, "angle_period": 0, "scale_prior": 0}
    for content, message in (
        (-1, r"layers\.onnx: its readout is wrong"),
        (0, "its network gives 12 planes, its readout expects 6"),
    ):
        onnx.helper.set_model_props(layers, told | {"readout": json.dumps({**readout, "content": content})})
        write_model_file(path, tiny_manifest(WEIGHTS), members | {"layers.onnx": layers.SerializeToString()})
        with pytest.raises(ModelFileError, match=message):
            LatentMapper(path)
    wrong = members["layers.onnx"].replace(b"stem0", b"stem9", 1)
    write_model_file(path, tiny_manifest(WEIGHTS), members | {"layers.onnx": wrong})
    with pytest.raises(ModelFileError, match=r"onnxruntime .* its encoder"):
        LatentMapper(path)
