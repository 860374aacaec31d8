"""The wheel `shiftvae-client` in an environment with numpy, pyzmq and msgspec alone talks to a real service."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stream_support import noisy

from shiftvae_rt.client import __all__ as exported
from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_rt.stream import Service

ROOT = Path(__file__).parents[3]
MOST_BYTES = 60_000
FRAME = noisy((40, 48))

#: A host program: frames, rows and an abort, and what came back.
HOST = """
import json, queue, sys
import numpy as np
from shiftvae_client import Producer, Reader

ingest, results, path = sys.argv[1:]
frame = np.load(path)
outcomes, maps = queue.Queue(), queue.Queue()
reader = Reader(results, on_result=maps.put)
input()  # until the service knows this reader
with reader, Producer(ingest, stream="host", on_outcome=outcomes.put) as producer:
    assert producer.wait_ready(10), producer.last_error
    producer.offer(frame, number=1, context="whole")
    whole = maps.get(timeout=10)
    for first in range(0, 40, 8):
        producer.offer_rows(2, frame[first : first + 8], first, frame.shape, context="rows")
    while not (rows := maps.get(timeout=10)).complete:
        pass
    producer.offer_rows(3, frame[:8], 0, frame.shape)
    producer.abort(3)
    counters = producer.close(10)
    np.savez(path + ".npz", whole=whole.latent_map.mean, rows=rows.latent_map.mean)
print(json.dumps({
    "outcomes": {each.frame: each.outcome for each in (outcomes.get(timeout=10) for _ in range(3))},
    "contexts": [whole.context, rows.context],
    "offered": counters.offered,
    "errors": producer.errors + reader.errors + reader.gaps,
    "ours": sorted(name for name in sys.modules if name.startswith("shiftvae")),
}))
"""


def run(*command: Any, before_input: Callable[[], object] = lambda: None) -> str:
    environment = {**os.environ, "PYTHONPATH": "", "PIP_CONSTRAINT": str(ROOT / "constraints.txt")}
    process = subprocess.Popen(
        [str(part) for part in command], text=True, env=environment,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    before_input()
    out, error = process.communicate("\n", timeout=300)
    assert process.returncode == 0, f"{command}: {out[-1500:]}{error[-1500:]}"
    return out


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT / "client")
    (path,) = folder.glob("*.whl")
    return path


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_it_is_small_and_runs_everywhere(wheel: Path) -> None:
    assert wheel.name.endswith("-py3-none-any.whl")
    assert wheel.stat().st_size <= MOST_BYTES
    with zipfile.ZipFile(wheel) as archive:
        assert [name for name in archive.namelist() if name.startswith("shiftvae_rt")] == []


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_host_with_nothing_else_sends_frames_and_reads_maps(
    wheel: Path, service: Service, mapper: LatentMapper, tmp_path: Path
) -> None:
    venv.create(tmp_path / "host", with_pip=True)
    python = tmp_path / "host" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", wheel)
    np.save(tmp_path / "frame.npy", FRAME)
    endpoints = (service.ingest, service.results)
    known = lambda: service.wait_for_readers(1, 60)  # noqa: E731
    said = json.loads(run(python, "-c", HOST, *endpoints, tmp_path / "frame.npy", before_input=known))
    assert said["outcomes"] == {"1": "processed", "2": "processed", "3": "dropped_producer"}
    assert said["contexts"] == ["whole", "rows"]
    assert (said["offered"], said["errors"]) == (3, 0)
    assert all(name.split(".")[0] == "shiftvae_client" for name in said["ours"])
    with np.load(tmp_path / "frame.npy.npz") as maps:
        np.testing.assert_array_equal(maps["whole"], mapper.map(FRAME).mean)
        np.testing.assert_array_equal(maps["rows"], mapper.map(FRAME).mean)
    packages = run(python, "-m", "pip", "list", "--format=json")
    names = {package["name"] for package in json.loads(packages)} - {"pip", "setuptools"}
    assert names == {"shiftvae-client", "numpy", "pyzmq", "msgspec"}
    assert set(exported) <= set(run(python, "-c", "import shiftvae_client as c; print(*c.__all__)").split())


def test_importing_the_client_loads_no_compiled_module_of_ours() -> None:
    code = (
        "import sys, shiftvae_rt.client\n"
        "bad = {'shiftvae_rt._core', 'onnxruntime', 'matplotlib', 'shiftvae_rt.stream.service.service'}\n"
        "print(bad & set(sys.modules))"
    )
    assert run(sys.executable, "-c", code).strip() == "set()"
