"""The instrument PC: the wheel in a fresh environment without torch maps a frame, and takes little room."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import pytest

from shiftvae_rt import LatentMapper

ROOT = Path(__file__).parents[2]
MEGABYTE = 1e6

#: Installed size of a distribution, from the list of files that pip wrote for it.
SIZES = """
import json
from importlib.metadata import distribution
sizes = {}
for name in ("shiftvae-rt", "pyzmq", "msgspec", "numpy", "onnxruntime"):
    files = [entry.locate() for entry in distribution(name).files]
    sizes[name] = sum(path.stat().st_size for path in files if path.is_file())
print(json.dumps(sizes))
"""


def run(*command, **options) -> str:
    environment = {**os.environ, "PIP_CONSTRAINT": str(ROOT / "constraints.txt"), "PYTHONPATH": ""}
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        timeout=500,
        env=environment,
        check=False,
        **options,
    )
    assert done.returncode == 0, f"{command}: {done.stdout[-1500:]}{done.stderr[-1500:]}"
    return done.stdout


@pytest.fixture(scope="module")
def instrument(tmp_path_factory):
    """The bin folder of a fresh environment that holds the wheel with ``[cpu]`` and nothing of ours besides."""
    folder = tmp_path_factory.mktemp("instrument")
    build = f"--config-settings=build-dir={folder / 'build'}"  # not the developer's own
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", build, "--wheel-dir", folder, ROOT)
    (wheel,) = folder.glob("shiftvae_rt-*.whl")
    venv.create(folder / "env", with_pip=True)
    binaries = folder / "env" / "bin"
    run(binaries / "python", "-m", "pip", "install", "--quiet", f"{wheel}[cpu]")
    return binaries


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_wheel_brings_the_files_of_the_live_page(instrument):
    ask = "from shiftvae_rt.view.site import page_files; print(sorted(page_files()))"
    assert "'/page.js'" in run(instrument / "python", "-c", ask)


@pytest.mark.slow
@pytest.mark.timeout(900)
class TestInstrument:
    def test_maps_a_frame_without_torch_to_the_numbers_of_the_full_installation(self, instrument, tiny_model, tmp_path):
        frame = np.random.default_rng(0).poisson(50, (48, 64)).astype(np.uint16)
        np.save(tmp_path / "frame.npy", frame)
        run(instrument / "shiftvae", "inspect", tiny_model, cwd=tmp_path)
        run(instrument / "shiftvae", "map", tiny_model, "frame.npy", "-o", "out.npz", cwd=tmp_path)
        with np.load(tmp_path / "out.npz") as read:
            np.testing.assert_array_equal(read["mean"], LatentMapper(tiny_model).map(frame).mean)
        packages = run(instrument / "python", "-m", "pip", "list", "--format=freeze")
        assert "torch" not in packages
        assert "rosettasciio" not in packages.lower()

    def test_runs_row_by_row(self, instrument, tiny_model, tmp_path):
        code = f"""
import numpy as np
from shiftvae_rt import LatentMapper
frame = np.random.default_rng(0).poisson(50, (48, 64)).astype(np.uint16)
mapper = LatentMapper({str(tiny_model)!r})
scan = mapper.begin_scan(frame.shape, dtype=frame.dtype)
for row in frame:
    scan.push_rows(row[np.newaxis])
assert scan.complete and np.allclose(scan.result().mean, mapper.map(frame).mean, atol=1e-6)
import sys
assert "torch" not in sys.modules
"""
        run(instrument / "python", "-c", code, cwd=tmp_path)

    def test_brings_the_c_library(self, instrument, tmp_path):
        code = """
import ctypes, pathlib, shiftvae_rt
library = ctypes.CDLL(shiftvae_rt.get_library())
print((pathlib.Path(shiftvae_rt.get_include()) / "shiftvae.h").exists(), library.sv_abi_version())
"""
        assert run(instrument / "python", "-c", code, cwd=tmp_path).split() == ["True", "1"]

    def test_training_says_what_it_lacks(self, instrument, tmp_path):
        np.save(tmp_path / "frame.npy", np.zeros((64, 64)))
        done = subprocess.run(
            [instrument / "shiftvae", "train", "frame.npy", "-o", "model.svae"],
            capture_output=True,
            text=True,
            timeout=60,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": ""},
            check=False,
        )
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1, done.stderr
        assert "train]" in done.stderr

    def test_takes_less_than_30_megabytes_without_onnxruntime_and_numpy(self, instrument, tmp_path, record_property):
        sizes = json.loads(run(instrument / "python", "-c", SIZES, cwd=tmp_path))
        for name, size in sizes.items():
            print(f"{name}: {size / MEGABYTE:.1f} MB")
            record_property(name, size)
        assert sizes["shiftvae-rt"] + sizes["pyzmq"] + sizes["msgspec"] < 30 * MEGABYTE
