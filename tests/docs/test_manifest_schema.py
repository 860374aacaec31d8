"""The schema of a manifest that the book publishes: real manifests fit it, and damaged ones do not."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import jsonschema
import pytest

from shiftvae_rt.model.model_file import ModelFile

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def schema():
    spec = importlib.util.spec_from_file_location("manifest_schema", ROOT / "docs" / "_ext" / "manifest_schema.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.manifest_schema()


def test_the_schema_is_one(schema):
    jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("model", ["tiny_model", "tiny_line_model"])
def test_a_manifest_fits(schema, model, request):
    manifest = json.loads(ModelFile.read(request.getfixturevalue(model)).manifest.to_json())
    jsonschema.validate(manifest, schema)


@pytest.mark.parametrize(
    "damage",
    [
        lambda m: m.pop("strides"),
        lambda m: m.update(colour="red"),
        lambda m: m.update(format="shiftvae-model-1"),
        lambda m: m.update(window=[16]),
        lambda m: m["latents"][0].update(kind="colour"),
    ],
    ids=["lacks a field", "has one more", "another version", "a window of one edge", "an unknown kind of latent"],
)
def test_a_damaged_manifest_does_not(schema, tiny_model, damage):
    manifest = json.loads(ModelFile.read(tiny_model).manifest.to_json())
    damage(manifest)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(manifest, schema)
