"""The page is put together from the modules and the words of the runtime; needs no library and no browser."""

from __future__ import annotations

import importlib.util
import json
import re

from web_support import ROOT

from shiftvae_rt.fields import FIELD_NAMES


def test_the_page_holds_every_module_and_the_words_of_the_runtime() -> None:
    spec = importlib.util.spec_from_file_location("web_bundle", ROOT / "web" / "bundle.py")
    assert spec is not None
    assert spec.loader is not None
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    page = build.page(b"no library")
    assert "{policy}" not in page
    assert not re.search(r"^(import|export) ", page, re.MULTILINE)
    for name in ("class Panels", "class Model", "function readTiff", "function compose"):
        assert page.count(name) == 1, name
    words = json.loads(re.search(r'id="words">(.*)</script>', page)[1])
    assert [field["name"] for field in words["fields"]] == list(FIELD_NAMES)
    assert all(words["legend"].values())
    assert set(words["tables"]) >= {"grey", "content", "signed", "cyclic"}
