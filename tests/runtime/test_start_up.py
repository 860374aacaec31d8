"""`shiftvae map` loads what it needs and no more: each package named here costs tens of milliseconds at every start."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np

#: Packages and rooms that the map of one `.npy` frame into an `.npz` does not need.
UNNEEDED = {
    "PIL", "dask", "distributed", "email", "h5py", "http", "importlib.metadata", "matplotlib", "onnx", "rsciio",
    "scipy", "shiftvae_rt.benchmark", "shiftvae_rt.client", "shiftvae_rt.stream", "shiftvae_rt.view",
    "shiftvae_training", "sqlite3", "ssl", "tifffile", "torch", "zarr", "zmq",
}  # fmt: skip
CODE = """
import json, sys
from shiftvae_rt.cli import main
code = main(sys.argv[1:])
print(json.dumps([code, sorted(sys.modules)]))
"""


def loaded(*words: object) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", CODE, *map(str, words)], capture_output=True, text=True, timeout=100, check=True
    )
    code, names = json.loads(done.stdout.splitlines()[-1])
    assert code == 0, done.stderr
    return set(names)


def test_a_map_loads_nothing_that_it_does_not_need(tiny_model, tmp_path):
    np.save(tmp_path / "frame.npy", np.random.default_rng(0).poisson(100, (64, 64)).astype(np.uint16))
    names = loaded("map", tiny_model, tmp_path / "frame.npy", "-o", tmp_path / "map.npz")
    assert {"numpy", "shiftvae_rt.encode.mapper"} <= names
    assert names & UNNEEDED == set()


def test_a_picture_loads_matplotlib(tiny_model, tmp_path):
    np.save(tmp_path / "frame.npy", np.random.default_rng(0).poisson(100, (64, 64)).astype(np.uint16))
    names = loaded("map", tiny_model, tmp_path / "frame.npy", "-o", tmp_path / "map.png")
    assert names & UNNEEDED >= {"matplotlib"}
