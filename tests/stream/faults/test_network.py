"""R3: partitions, resets and loss between two network namespaces lose nothing, and the flow comes back by itself."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shiftvae_rt.stream import JournalReader, KeyFolder

LONG = os.environ.get("SHIFTVAE_LONG") == "1"
PARTITIONS_S = (0.3, 1.0, 4.0, 10.0) if LONG else (0.3, 3.0)
SERVER, CLIENT = "10.231.77.1", "10.231.77.2"
PORT = 5701

SEND = """
import sys, time
import numpy as np
from shiftvae_rt.stream import LosslessProducer
endpoint, key, frames = sys.argv[1], sys.argv[2], int(sys.argv[3])
frame = np.random.default_rng(0).poisson(40, (18, 16)).astype(np.uint16)
producer = LosslessProducer(endpoint, stream="run", key=key)
producer.wait_ready(30)
last, slowest = time.monotonic(), 0.0
for number in range(1, frames + 1):
    producer.send(frame, number=number, timeout_s=60)
    print(number, producer.committed, flush=True)
    time.sleep(0.002)
producer.end(60)
"""


def command(*words: object) -> None:
    subprocess.run([str(word) for word in words], check=True, capture_output=True)


@pytest.fixture
def namespaces() -> Iterator[tuple[str, str]]:
    """Two namespaces with a cable between them; skips, saying so, where that cannot be had."""
    if (
        not hasattr(os, "geteuid")
        or os.geteuid() != 0
        or shutil.which("ip") is None
        or shutil.which("iptables") is None
    ):
        pytest.skip("network namespaces need root, ip and iptables")
    names = f"svs{os.getpid()}", f"svc{os.getpid()}"
    try:
        command("ip", "netns", "add", names[0])
        command("ip", "netns", "add", names[1])
        command(
            "ip", "link", "add", "veth0", "netns", names[0], "type", "veth", "peer", "name", "veth1", "netns", names[1]
        )
        for name, link, address in ((names[0], "veth0", SERVER), (names[1], "veth1", CLIENT)):
            command("ip", "-n", name, "addr", "add", f"{address}/24", "dev", link)
            command("ip", "-n", name, "link", "set", link, "up")
            command("ip", "-n", name, "link", "set", "lo", "up")
    except subprocess.CalledProcessError as error:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
        pytest.skip(f"this machine lets nobody make network namespaces: {error.stderr.decode().strip()}")
    yield names
    for name in names:
        subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


class Network:
    """A service in one namespace, a producer in the other, and what happens between them."""

    def __init__(self, names: tuple[str, str], model: Path, folder: Path, frames: int) -> None:
        self.names, self.folder = names, folder
        keys = KeyFolder.create(folder / "keys")
        key = keys.add("scope", ("produce",))
        keys.add("viewer", ("read",))
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        serve = [sys.executable, "-m", "shiftvae_rt", "serve", model, "--keys", keys.path, "--http", "off"]
        serve += ["--ingest", f"tcp://{SERVER}:{PORT}", "--results", f"tcp://{SERVER}:{PORT + 1}", "--control", "off"]
        self.service = self.inside(0, *serve, "--journal", folder / "j", "--json", env=environment)
        assert json.loads(self.service.stdout.readline())["event"] == "ready"
        send = [sys.executable, "-c", SEND, f"tcp://{SERVER}:{PORT}", key, frames]
        self.producer = self.inside(1, *send, env=environment)
        self.producer.stdout.readline()

    def inside(self, side: int, *words: object, **options: object) -> subprocess.Popen[str]:
        run = ["ip", "netns", "exec", self.names[side], *map(str, words)]
        return subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, **options)

    def filter(self, action: str, *rule: str) -> None:
        command("ip", "netns", "exec", self.names[0], "iptables", action, "INPUT", "-i", "veth0", *rule)

    def committed(self) -> int:
        journal = JournalReader(self.folder / "j")
        try:
            return next(journal.streams("run")).last_seq
        finally:
            journal.close()

    def flows_within(self, limit_s: float) -> float:
        """Seconds until a frame that was not committed before is."""
        before, started = self.committed(), time.monotonic()
        while self.committed() == before:
            assert time.monotonic() - started < limit_s, "the flow did not come back"
            time.sleep(0.01)
        return time.monotonic() - started

    def finish(self) -> int:
        """Let the producer end; how many frames are in the journal."""
        self.producer.communicate(timeout=120)
        assert self.producer.returncode == 0
        self.service.terminate()
        self.service.communicate(timeout=10)
        journal = JournalReader(self.folder / "j")
        state, seqs, after = next(journal.streams("run")), [], 0
        while (record := journal.read("run", after)) is not None:
            after = record.seq
            seqs.append(after)
        journal.close()
        assert seqs == list(range(1, state.last_seq + 1))
        assert state.ended
        return len(seqs)


@pytest.fixture
def network(namespaces: tuple[str, str], tiny_model: Path, tmp_path: Path) -> Iterator[Network]:
    made = Network(namespaces, tiny_model, tmp_path, 4000 if LONG else 1200)
    yield made
    for process in (made.producer, made.service):
        process.kill()
        process.communicate()


@pytest.mark.timeout(240)
@pytest.mark.clock
def test_partitions_lose_nothing_and_the_flow_is_back_within_3_seconds(network: Network) -> None:
    frames, times = 4000 if LONG else 1200, []
    for seconds in PARTITIONS_S:
        network.flows_within(5)
        network.filter("-I", "-j", "DROP")
        time.sleep(seconds)
        network.filter("-D", "-j", "DROP")
        times.append(network.flows_within(10))
    print("flow after healing, s:", times)
    assert max(times) < 3.0
    assert network.finish() == frames


@pytest.mark.timeout(240)
@pytest.mark.clock
def test_resets_and_loss_lose_nothing(network: Network) -> None:
    for _ in range(12 if LONG else 3):
        network.flows_within(5)
        network.filter("-I", "-p", "tcp", "-j", "REJECT", "--reject-with", "tcp-reset")
        time.sleep(0.2)
        network.filter("-D", "-p", "tcp", "-j", "REJECT", "--reject-with", "tcp-reset")
        network.flows_within(5)
    network.filter("-I", "-m", "statistic", "--mode", "random", "--probability", "0.05", "-j", "DROP")
    assert network.finish() == (4000 if LONG else 1200)


def test_nothing_but_the_loopback_listens_by_default(namespaces: tuple[str, str], tiny_model: Path) -> None:
    """S1, as the kernel sees it."""
    run = [
        "ip",
        "netns",
        "exec",
        namespaces[0],
        sys.executable,
        "-m",
        "shiftvae_rt",
        "serve",
        str(tiny_model),
        "--json",
    ]
    with subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as service:
        try:
            ready = json.loads(service.stdout.readline())
            table = Path(f"/proc/{ready['pid']}/net/tcp").read_text().splitlines()[1:]
            listening = [line.split()[1] for line in table if line.split()[3] == "0A"]
            ports = sorted(int(address.split(":")[1], 16) for address in listening)
            assert ports == [5701, 5702, 5703, 5780]
            assert {address.split(":")[0] for address in listening} == {"0100007F"}
            six = Path(f"/proc/{ready['pid']}/net/tcp6")
            assert not six.exists() or len(six.read_text().splitlines()) == 1
        finally:
            service.terminate()
