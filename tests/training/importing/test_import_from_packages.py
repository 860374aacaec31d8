"""Imported models against pyroVED and AtomAI themselves, where `benchmarks/peer_environment.py` has installed them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.skipif(
    not (ROOT / "build" / "peers" / "ready").exists(),
    reason="needs pyroVED and AtomAI: python benchmarks/science/import_equality.py installs them in build/peers",
)
def test_encodings_equal_the_packages_own_to_a_hundred_thousandth():
    paths = os.pathsep.join([str(ROOT), str(ROOT / "training")])
    command = [sys.executable, str(ROOT / "benchmarks" / "science" / "import_equality.py"), "--quick"]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 of 3 equal their package's own output to 1e-05" in done.stdout
