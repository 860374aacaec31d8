"""The reference names every public name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import shiftvae_rt
import shiftvae_training
from shiftvae_rt import client, fleet, stream

API = Path(__file__).parents[2] / "docs" / "reference" / "api"


@pytest.mark.parametrize(
    ("page", "package"),
    [
        ("runtime.md", shiftvae_rt),
        ("stream.md", stream),
        ("client.md", client),
        ("fleet.md", fleet),
        ("training.md", shiftvae_training),
    ],
    ids=["runtime", "stream", "client", "fleet", "training"],
)
def test_every_exported_name_has_an_entry(page, package):
    entries = re.findall(r"^\.\. auto\w+:: (\w+)$", (API / page).read_text(), re.MULTILINE)
    assert len(entries) == len(set(entries))
    assert sorted(entries) == sorted(set(package.__all__) - {"__version__"})
