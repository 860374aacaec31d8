"""The weights that a training goes on from: exact, in their order, and refused where they do not fit."""

from __future__ import annotations

import io
from dataclasses import replace

import msgspec
import numpy as np
import pytest
import torch
from tiny_models import tiny_manifest, tiny_members, tiny_weights

from shiftvae_rt import ModelFile, ModelFileError, TrainingError
from shiftvae_rt.model.archive import read_arrays
from shiftvae_rt.model.model_file import pack_model_file
from shiftvae_training.fitting.training_state import read_looks, unpack_state
from shiftvae_training.train import train


def changed(file: ModelFile, change, **manifest) -> ModelFile:
    """`file` with the arrays of its training state changed, and fields of its manifest."""
    arrays = read_arrays(file.training_state, "training.npz")
    change(arrays)
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    members = {name: file.graph(name) for name in file.manifest.members} | {"training.npz": buffer.getvalue()}
    changed_manifest = msgspec.structs.replace(file.manifest, **manifest)
    return ModelFile.from_bytes(pack_model_file(changed_manifest, members), "changed.svae")


def test_a_state_is_that_of_the_last_step(model, scan):
    state = unpack_state(model.file)
    assert state.order == scan.trained.order
    assert list(state.history) == scan.trained.history
    weights = state.model.state_dict()
    assert weights.keys() == scan.trained.weights.keys()
    assert all(torch.equal(weights[name], scan.trained.weights[name]) for name in weights)
    # which is not what the finished model has
    assert not torch.equal(weights["anchor"], scan.trained.model.anchor)


def test_latents_are_reported_in_the_order_that_they_had(model, scan):
    state = unpack_state(model.file)
    assert state.order == (0, 1) or state.order == (1, 0)
    other = replace(state, order=state.order[::-1])
    kept, turned = (train(scan.frames, replace(scan.trained.settings, steps=1), start=s) for s in (state, other))
    assert kept.order == scan.trained.order
    assert turned.order == scan.trained.order[::-1]
    assert turned.kl_nats[2] < turned.kl_nats[3]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.pop("weight/decoder.mean"), "decoder.mean"),
        (lambda a: a.update({"weight/decoder.mean": np.zeros((1, 7), np.float32)}), "size mismatch"),
        (lambda a: a.update({"weight/other": np.zeros(1)}), "other"),
        (lambda a: a.pop("order"), "order"),
        (lambda a: a.update(order=np.array([0, 0])), r"order of the content latents \(0, 0\)"),
        (lambda a: a.update(order=np.array([0])), r"\(0,\)"),
    ],
    ids=["missing", "shape", "unknown", "no-order", "order", "short-order"],
)
def test_weights_that_do_not_fit_are_refused(model, change, message):
    with pytest.raises(ModelFileError, match=rf"changed\.svae: training\.npz does not fit.*{message}"):
        unpack_state(changed(model.file, change))


@pytest.mark.parametrize("looks", [np.zeros((2, 4)), np.zeros(5)])
def test_looks_that_are_none_are_refused(model, looks):
    with pytest.raises(ModelFileError, match=r"no looks of five numbers"):
        read_looks(changed(model.file, lambda a: a.update(looks=looks)))


def test_arrays_of_objects_are_never_loaded(model):
    file = changed(model.file, lambda a: a.update(order=np.array([{}], dtype=object)))
    with pytest.raises(ModelFileError, match=r"training\.npz cannot be read"):
        unpack_state(file)


def test_a_file_without_weights_and_an_unknown_family_are_named(model):
    tiny = ModelFile.from_bytes(
        pack_model_file(tiny_manifest(tiny_weights()), tiny_members(tiny_weights())), "tiny.svae"
    )
    with pytest.raises(TrainingError, match=r"tiny\.svae holds no weights to go on from"):
        unpack_state(tiny)
    assert read_looks(tiny) == ()
    with pytest.raises(TrainingError, match="expected an encoder of convolutional, mlp, got 'mine'"):
        unpack_state(changed(model.file, lambda _: None, encoder="mine"))
