"""The directive ``manifest-schema``: the JSON schema of a model file's manifest, made from the structs that decode it.

The schema is also written beside the pages, as ``manifest.schema.json``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from shiftvae_rt.model.manifest import Manifest

NAME = "manifest.schema.json"


def manifest_schema() -> dict[str, Any]:
    """The schema, for JSON Schema 2020-12."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(Manifest)}


def schema_text() -> str:
    return json.dumps(manifest_schema(), indent=2) + "\n"


class ManifestSchema(SphinxDirective):
    """The schema as a block of JSON, and a link to it as a file."""

    def run(self) -> list[nodes.Node]:
        up = "../" * self.env.docname.count("/")
        file = nodes.reference(NAME, NAME, refuri=up + NAME)
        link = nodes.paragraph("", "As a file: ", file)
        return [link, nodes.literal_block(schema_text(), schema_text(), language="json")]


def write_beside_the_pages(app: Sphinx, failed: Exception | None) -> None:
    if failed is None and app.builder.name == "html":
        Path(app.outdir, NAME).write_text(schema_text())


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("manifest-schema", ManifestSchema)
    app.connect("build-finished", write_beside_the_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
