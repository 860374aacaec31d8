"""The files of a release agree with the package, and can be read by those who will read them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import shiftvae_rt

ROOT = Path(__file__).parents[2]


def test_the_citation_names_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == shiftvae_rt.__version__
    assert citation["authors"] == [{"name": "shiftvae-rt contributors"}]


def test_the_changelog_has_a_section_for_this_version():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    sections = re.findall(r"^## \[([\d.]+|Unreleased)\]", text, re.MULTILINE)
    assert sections[:2] == ["Unreleased", shiftvae_rt.__version__]


@pytest.mark.parametrize("path", sorted((ROOT / ".github").rglob("*.yml")), ids=lambda path: path.stem)
def test_what_the_forge_reads_is_yaml(path):
    assert isinstance(yaml.safe_load(path.read_text(encoding="utf-8")), dict)


def test_publishing_waits_for_every_wheel_and_for_the_source():
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8"))["jobs"]
    assert set(jobs["publish"]["needs"]) == set(jobs) - {"publish", "version"}
    assert jobs["publish"]["if"] == "github.ref_type == 'tag'"
    assert jobs["wheels"]["needs"] == jobs["source"]["needs"] == jobs["client"]["needs"] == "version"


@pytest.mark.parametrize("folder", ["nionswift", "napari"])
def test_an_integration_has_the_version_of_the_package(folder):
    project = (ROOT / "integrations" / folder / "pyproject.toml").read_text(encoding="utf-8")
    assert f'version = "{shiftvae_rt.__version__}"' in project
    assert "shiftvae-client==" not in project or f"shiftvae-client=={shiftvae_rt.__version__[:3]}.*" in project


def test_the_question_to_a_fresh_wheel_can_be_answered():
    script = Path(__file__).with_name("wheel_smoke.py")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "windows as NumPy has them" in done.stdout
