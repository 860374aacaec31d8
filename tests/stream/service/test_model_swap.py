"""Another model for a running service: exchanged under load, taken back when it fails, tried before it serves."""

from __future__ import annotations

import dataclasses
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import NodeProto, TensorProto, helper, numpy_helper
from stream_support import FREE, LIMIT_S, noisy, until
from tiny_models import tiny_manifest, tiny_members, tiny_weights, write_tiny_model

from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_rt.errors import ModelFileError, ServiceError
from shiftvae_rt.model.model_file import sign_model_file, write_model_file
from shiftvae_rt.model.signature import make_signing_key
from shiftvae_rt.stream import Control, Counters, Options, Producer, Service, Subscriber
from shiftvae_rt.stream.service.model_trial import Trial

Make = Callable[..., Any]
FRAME = noisy((40, 40))


@pytest.mark.clock
def test_a_model_is_exchanged_under_load_without_losing_a_frame(
    asked: Service, control: Control, produce: Make, subscribe: Make, mapper: LatentMapper, models: Path
) -> None:
    subscriber: Subscriber = subscribe(asked)
    producer: Producer = produce(asked, mode="replay")
    offering = threading.Event()
    sent = 0

    def offer() -> None:
        nonlocal sent
        while not offering.is_set() and sent < 5000:
            producer.offer(FRAME)
            producer.wait(LIMIT_S)
            sent += 1
            time.sleep(0.005)

    thread = threading.Thread(target=offer)
    thread.start()
    swapped = control.swap("other.svae")
    until(lambda: asked._encoding.swaps == 1)
    offering.set()
    thread.join()
    other = LatentMapper(models / "other.svae")
    assert (swapped.model_sha256, swapped.previous_sha256) == (other.model.sha256, mapper.model.sha256)
    maps = {m.model.sha256: m.map(FRAME).mean for m in (mapper, other)}
    hashes = []
    while (result := subscriber.receive(0.3)) is not None:
        assert np.array_equal(result.latent_map.mean, maps[result.latent_map.model_sha256])
        hashes.append(result.latent_map.model_sha256)
    assert hashes == sorted(hashes, key=hashes.index), "the old model first, then the new one"
    assert len(set(hashes)) == 2
    assert producer.close(LIMIT_S).processed == sent


def test_a_scan_that_began_with_the_old_model_ends_with_it(
    asked: Service, control: Control, produce: Make, subscribe: Make, mapper: LatentMapper
) -> None:
    subscriber: Subscriber = subscribe(asked)
    producer: Producer = produce(asked, mode="replay")
    producer.offer_rows(1, FRAME[:20], 0, FRAME.shape)
    producer.wait(LIMIT_S)
    control.swap("other.svae")
    producer.offer_rows(1, FRAME[20:], 20, FRAME.shape)
    producer.wait(LIMIT_S)
    hashes = [subscriber.receive(LIMIT_S).latent_map.model_sha256 for _ in range(2)]
    assert hashes == [mapper.model.sha256] * 2


class FailingMapper:
    """A model that loads, and fails on the first real frame."""

    def __init__(self, mapper: LatentMapper) -> None:
        self._mapper = mapper
        self.model = dataclasses.replace(mapper.model, sha256="0" * 64)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._mapper, name)

    def map(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError("Non-zero status code returned while running Conv node")

    def begin_scan(self, *arguments: Any, **options: Any) -> Any:
        scan = self._mapper.begin_scan(*arguments, **options)
        push_rows = scan.push_rows
        scan.push_rows = lambda rows: push_rows(rows) if scan.valid_rows == 0 else self.map()
        return scan


def test_a_new_model_that_fails_on_its_first_frame_is_taken_back_and_the_frame_is_processed(
    asked: Service, produce: Make, mapper: LatentMapper
) -> None:
    asked._encoding.swap(FailingMapper(mapper))
    producer: Producer = produce(asked, mode="replay")
    for _ in range(2):
        producer.offer(FRAME)
        producer.wait(LIMIT_S)
    assert producer.close(LIMIT_S) == Counters(offered=2, processed=2)
    assert (asked.status().rollbacks, asked.status().model_sha256) == (1, mapper.model.sha256)


def test_a_new_model_that_fails_in_mid_scan_is_taken_back_and_costs_that_scan_alone(
    asked: Service, produce: Make, mapper: LatentMapper
) -> None:
    asked._encoding.swap(FailingMapper(mapper))
    producer: Producer = produce(asked, mode="replay")
    for number in (1, 2):
        for first in (0, 8):
            last = first + 8 if number == 1 or first == 0 else len(FRAME)
            producer.offer_rows(number, FRAME[first:last], first, FRAME.shape)
            producer.wait(LIMIT_S)
    assert producer.close(LIMIT_S) == Counters(offered=2, processed=1, quarantined=1)
    assert (asked.status().rollbacks, asked.status().model_sha256) == (1, mapper.model.sha256)


def foreign_graph(node: NodeProto, *weights: TensorProto) -> bytes:
    """A graph of one node that is none of ours."""
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in (node.input[0], "mean")]
    return helper.make_model(helper.make_graph([node], "graph", ends[:1], ends[1:], weights)).SerializeToString()


def bad_models(folder: Path, good: Path) -> list[str]:
    """Make model files that must not serve; their names."""
    data = bytearray(good.read_bytes())
    (folder / "truncated.svae").write_bytes(data[: len(data) // 2])
    (folder / "empty.svae").write_bytes(b"")
    (folder / "garbage.svae").write_bytes(bytes(range(256)) * 40)
    flipped = data.copy()
    flipped[len(data) // 3] ^= 1
    (folder / "flipped.svae").write_bytes(flipped)
    (folder / "folder.svae").mkdir(exist_ok=True)
    weights = tiny_weights()
    members = tiny_members(weights)
    graphs = [name for name in members if name.endswith(".onnx") and name != "decoder.onnx"]
    graph = graphs[0]
    nan = tiny_weights()
    nan.head[-1][1][0] = np.nan
    bomb = numpy_helper.from_array(np.array([1 << 17, 1 << 17]), "huge")
    external = numpy_helper.from_array(np.ones(1, np.float32), "ours")
    external.data_location = TensorProto.EXTERNAL
    external.external_data.add(key="location", value="/etc/passwd")
    for name, changed in (
        ("operator", {graph: foreign_graph(helper.make_node("NonZero", ["frame"], ["mean"]))}),
        ("bomb", {graph: foreign_graph(helper.make_node("ConstantOfShape", ["huge"], ["mean"]), bomb)}),
        ("external", {graph: foreign_graph(helper.make_node("Add", ["frame", "ours"], ["mean"]), external)}),
        ("inputs", dict.fromkeys(graphs, foreign_graph(helper.make_node("Relu", ["pixels"], ["mean"])))),
        ("nan", tiny_members(nan)),
        ("nograph", {graph: b""}),
        ("garbagegraph", {graph: b"\x08\x07" * 400}),
        ("nogolden", {"golden.npz": b"PK"}),
        ("wronggolden", {"golden.npz": tiny_members(tiny_weights(seed=9))["golden.npz"]}),
    ):
        write_model_file(folder / f"{name}.svae", tiny_manifest(weights), {**members, **changed})
    write_tiny_model(folder / "line.svae", dimensions=1)
    write_tiny_model(folder / "channels.svae", channels=2)
    write_model_file(folder / "stride.svae", tiny_manifest(weights, strides=(8,)), members)
    return ["missing.svae", *sorted(path.name for path in folder.iterdir() if path != good)]


@pytest.mark.timeout(240)
def test_every_kind_of_bad_model_is_refused_while_the_old_one_serves(
    serve: Make, mapper: LatentMapper, produce: Make, tmp_path: Path, models: Path
) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    shutil.copy(models / "other.svae", folder / "good.svae")
    service: Service = serve(mapper, options=Options(control=FREE, models=folder))
    bad = bad_models(folder, folder / "good.svae")
    assert len(bad) >= 18
    producer: Producer = produce(service, mode="replay")
    with Control(service.control) as control:
        for name in bad:
            with pytest.raises(ServiceError, match="model_refused"):
                control.swap(name)
            producer.offer(FRAME)
            assert producer.wait(LIMIT_S).rejected == 0, name
            assert service.status().model_sha256 == mapper.model.sha256, name
        assert control.swap("good.svae").previous_sha256 == mapper.model.sha256
    assert producer.close(LIMIT_S).processed == len(bad)


def test_a_service_that_wants_signatures_exchanges_its_model_for_a_signed_one_alone(
    serve: Make, mapper: LatentMapper, tmp_path: Path, models: Path
) -> None:
    pytest.importorskip("cryptography", reason="no cryptography: pip install 'shiftvae-rt[signed]'")
    model = Path(shutil.copy(models / "other.svae", tmp_path))
    public = make_signing_key(tmp_path / "lab.key")
    service: Service = serve(mapper, options=Options(control=FREE, models=tmp_path, signed_by=public))
    with Control(service.control) as control:
        with pytest.raises(ServiceError, match="is not signed"):
            control.swap(model.name)
        signed = sign_model_file(model, tmp_path / "lab.key")
        assert control.swap(model.name).model_sha256 == signed.sha256


def test_a_trial_imports_what_is_installed_and_nothing_from_the_working_directory(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    traces = tmp_path / "ran"
    for name in ("msgspec", "numpy", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text(f"open({str(traces)!r}, 'w')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(sys, "path", [str(tmp_path), "", *sys.path])
    assert len(Trial().run(models / "other.svae", 4)) == 64
    assert not traces.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes among its files")
def test_what_is_no_file_is_not_tried(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.svae")
    with pytest.raises(ModelFileError, match="pipe.svae is no file"):
        Trial().run(tmp_path / "pipe.svae", 4)


def test_a_trial_ends_with_the_service(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shiftvae_rt.stream.service.model_trial._START", "import time; time.sleep(600)")
    trial, said = Trial(), []

    def run() -> None:
        with pytest.raises(ModelFileError, match="does not work here"):
            trial.run(models / "other.svae", 4)
        said.append(True)

    thread = threading.Thread(target=run)
    thread.start()
    until(lambda: trial._process is not None)
    trial.end()
    thread.join(LIMIT_S)
    assert said == [True]
    with pytest.raises(ModelFileError, match="stopping"):
        trial.run(models / "other.svae", 4)


def test_a_folder_of_models_that_is_none_is_refused_at_the_start(mapper: LatentMapper, tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="nothing is no folder"):
        Service(mapper, ingest=FREE, results=FREE, options=Options(models=tmp_path / "nothing"))
