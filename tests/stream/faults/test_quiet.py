"""C8: a process of ours opens no sockets but its own, and writes nothing outside the folders that it was given.

What the processes ask of the kernel is listed by strace, in a network namespace of their own and without a home folder.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from serving import FRAME, LIMIT_S

CALLS = "socket,connect,listen,open,openat,creat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,symlink,symlinkat"
TRACE = ["strace", "-f", "-qq", "-e", f"trace={CALLS}", "-o"]
#: The kernel's own list of network interfaces, which libzmq reads when it binds.
INTERFACES = "socket(AF_NETLINK, SOCK_RAW|SOCK_CLOEXEC, NETLINK_ROUTE)"
WRITES = re.compile(r"(?:O_WRONLY|O_RDWR|O_CREAT)\b|^\d+ +(?:creat|mkdir|rename|link|symlink)")
INSIDE = """
import subprocess, sys
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
raise SystemExit(subprocess.run(sys.argv[1:]).returncode)
"""
SERVE_ONE = """
import json, subprocess, sys
shiftvae = [sys.executable, "-m", "shiftvae_rt"]
serve = [*shiftvae, "serve", "tiny.svae", "--journal", "out/journal", "--json"]
with subprocess.Popen([*json.loads(sys.argv[1]), *serve], stdout=subprocess.PIPE, text=True) as service:
    assert json.loads(service.stdout.readline())["event"] == "ready"
    try:
        subprocess.run([*shiftvae, "send", "frame.npy", "--lossless"], check=True)
    finally:
        subprocess.run([*shiftvae, "status", "--stop"], check=True)
        service.communicate()
assert service.returncode == 0
"""
LEFT_ALONE = """
import zipfile, onnxruntime
with zipfile.ZipFile("tiny.svae") as model:
    onnxruntime.InferenceSession(model.read(next(name for name in model.namelist() if name.endswith(".onnx"))))
"""
Run = Callable[..., None]


@pytest.fixture
def folder(tiny_model: Path, tmp_path: Path) -> Path:
    shutil.copy(tiny_model, tmp_path / "tiny.svae")
    np.save(tmp_path / "frame.npy", FRAME)
    (tmp_path / "out").mkdir()
    return tmp_path


@pytest.fixture
def alone(folder: Path) -> Run:
    """Run Python in `folder`, in a network namespace of its own; skips, saying so, where that cannot be had."""
    for program in ("strace", "unshare", "ip"):
        if shutil.which(program) is None:
            pytest.skip(f"what a process asks of the kernel is listed with {program}, which is not here")
    inside = ["unshare", "--net", "--map-root-user", sys.executable, "-c", INSIDE]
    tried = subprocess.run([*inside, *TRACE, "/dev/null", "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"this machine lets nobody trace a process in a namespace: {tried.stderr.strip()}")

    def run(*command: str) -> None:
        clean = {"PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        environment = {**clean, "HOME": str(folder / "nobody")}
        subprocess.run([*inside, *command], cwd=folder, env=environment, check=True, timeout=6 * LIMIT_S)

    return run


def sockets(log: Path) -> list[str]:
    """The sockets that were opened and did not become doors of ours, and the connections that were tried."""
    lines = log.read_text().splitlines()
    opened = [line for line in lines if " socket(" in line and INTERFACES not in line]
    doors = [line for line in lines if " listen(" in line]
    connected = [line for line in lines if " connect(" in line]
    return connected + (opened if len(opened) != len(doors) else [])


def written(log: Path, folder: Path) -> list[str]:
    """The files and folders that were made or written to, outside `folder` and relative to nothing."""
    found = []
    for line in log.read_text().splitlines():
        if WRITES.search(line):
            names = [name for name in re.findall(r'"([^"]*)"', line) if name != "/dev/null"]
            found += [name for name in names if not (folder / name).resolve().is_relative_to(folder / "out")]
    return found


@pytest.mark.parametrize("ending", ["npz", "tif", "hspy"])
def test_a_map_opens_no_socket_and_writes_its_own_file_alone(alone: Run, folder: Path, ending: str) -> None:
    shiftvae = [sys.executable, "-m", "shiftvae_rt"]
    alone(*TRACE, "log", *shiftvae, "map", "tiny.svae", "frame.npy", "-o", f"out/map.{ending}")
    assert (folder / "out" / f"map.{ending}").exists()
    assert sockets(folder / "log") == []
    assert written(folder / "log", folder) == []


def test_a_service_opens_its_doors_alone_and_writes_its_journal_alone(alone: Run, folder: Path) -> None:
    alone(sys.executable, "-c", SERVE_ONE, json.dumps([*TRACE, "log"]))
    log = (folder / "log").read_text()
    assert log.count(" listen(") == 4
    assert '"out/journal"' in log
    assert sockets(folder / "log") == []
    assert written(folder / "log", folder) == []


def test_onnxruntime_left_alone_is_caught(alone: Run, folder: Path) -> None:
    alone(*TRACE, "log", sys.executable, "-c", LEFT_ALONE)
    if not (found := written(folder / "log", folder) + sockets(folder / "log")):
        pytest.skip("this onnxruntime reports nothing by itself")
    assert any("onnxruntime" in name for name in found)


def test_a_name_that_is_looked_up_is_caught(alone: Run, folder: Path) -> None:
    alone(*TRACE, "log", sys.executable, "-c", "import socket; socket.getfqdn('10.0.0.1'); open('x', 'w')")
    assert sockets(folder / "log")
    assert written(folder / "log", folder) == ["x"]
