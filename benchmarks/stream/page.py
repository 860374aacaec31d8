"""What the live page costs, and how soon it shows what is measured.

    python benchmarks/stream/page.py MODEL.svae [--seconds 20] [--rate 30] [--rounds 6] [--pictures 10000]

First the CPU time of a picture by its parts, in this process. Then a service in a process of its own gets frames of
512 x 512 px at 30/s. In a headless Chromium: time to the first picture, pictures a second, age of a picture when it is
painted, CPU time of the service and its memory with and without the page open, the memory of the page; and the time
from a movement of the mouse to the painted answer what that place is. Then in turns with and without five viewers, of
which two read nothing: age of the results. At last the service is killed and started again: when does the page say so,
and when does it show the next picture? Needs Linux and a Chromium on the PATH. All processes share this machine, the
drawing of the browser too, so the figures are upper bounds; CPU times suffer least from what else runs.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

import numpy as np

from shiftvae_rt import LatentMapper
from shiftvae_rt.simulator import Microscope, SimulatedFrame
from shiftvae_rt.stream import Producer, Subscriber
from shiftvae_rt.view.picture_message import PictureWriter
from shiftvae_rt.view.scenes import Facts, Scenes
from shiftvae_rt.view.websocket import BINARY, pack_frame

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "stream" / "view"))
from browser_support import Browser, Socket, find_chromium

FREE = "tcp://127.0.0.1:0"
TICKS = os.sysconf("SC_CLK_TCK")


@functools.cache
def simulated() -> list[SimulatedFrame]:
    microscope = Microscope(seed=0, shape=(512, 512))
    return [microscope.frame(index) for index in range(8)]


class Service:
    """A service, and a source of frames for it."""

    def __init__(self, model: Path, rate: float, http: str = "127.0.0.1:0") -> None:
        command = [sys.executable, "-m", "shiftvae_rt", "serve", str(model), "--json", "--http", http]
        command += ["--ingest", FREE, "--results", FREE, "--control", "off"]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        self.ready = json.loads(self._process.stdout.readline())
        self.ready_s = time.perf_counter()
        self._frames = simulated()
        self._period_s, self._stop = 1 / rate, threading.Event()
        self._thread = threading.Thread(target=self._push, daemon=True)
        self._thread.start()

    def _push(self) -> None:
        with Producer(self.ready["ingest"], stream="benchmark") as producer:
            producer.wait_ready(10)
            due, index = time.perf_counter(), 0
            while not self._stop.is_set():
                frame = self._frames[index % len(self._frames)]
                producer.offer(frame.pixels, pixel_size_nm=frame.pixel_size_nm)
                due, index = due + self._period_s, index + 1
                time.sleep(max(0.0, due - time.perf_counter()))

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.ready['pid']}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory_mb(self) -> float:
        pages = int(Path(f"/proc/{self.ready['pid']}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGESIZE") / 1e6

    def results(self) -> int:
        with urllib.request.urlopen(f"http://{self.ready['http']}/metrics") as answer:
            return int(re.search(r"shiftvae_results_total (\d+)", answer.read().decode()).group(1))

    def spend(self, seconds: float) -> tuple[float, int]:
        """CPU time in s, and number of results, while `seconds` pass."""
        cpu_s, results = self.cpu_s(), self.results()
        time.sleep(seconds)
        return self.cpu_s() - cpu_s, self.results() - results

    def kill(self) -> None:
        self._stop.set()
        self._process.kill()
        self._process.wait()

    def close(self) -> dict[str, int]:
        self._stop.set()
        self._thread.join()
        self._process.terminate()
        return json.loads(self._process.stdout.readlines()[-1])["total"]


def in_this_process(model: Path, count: int = 300) -> None:
    """Print the CPU time of a picture by its parts: copies of the service's thread, fields, message."""
    mapper, frames = LatentMapper(model), simulated()
    maps = [mapper.map(frame.pixels, pixel_size_nm=frame.pixel_size_nm) for frame in frames]

    def spent_ms(parts: int) -> float:
        scenes, writer, started = Scenes(lambda: None), PictureWriter(), time.process_time()
        for number in range(count):
            pixels, edge = frames[number % len(frames)].pixels, frames[0].pixel_size_nm
            scenes.put_lines(Facts("", "", number, number, pixels.shape, len(pixels), (edge, edge)), pixels[None], 0)
            scenes.put_map("", number, maps[number % len(maps)], 0.0)
            scene = scenes.all()[""]
            if parts > 1:
                scene.maps.follow_fields()
            if parts > 2:
                pack_frame(BINARY, *writer.write(scene))
        return 1e3 * (time.process_time() - started) / count

    copies, fields, message = (spent_ms(parts) for parts in (1, 2, 3))
    print(f"a picture in this process: {message:.2f} ms of CPU time", end=": ")
    print(f"copies {copies:.2f}, fields {fields - copies:.2f}, message {message - fields:.2f}")


def in_a_browser(service: Service, seconds: float, pictures: int) -> None:
    """Print what a page in Chromium gets; its memory after this many `pictures`."""
    unwatched, memory = service.spend(seconds), service.memory_mb()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(find_chromium(), Path(profile))
        try:
            browser.call("Network.disable")  # else every picture comes here, too
            browser.open(f"http://{service.ready['http']}/")
            first_ms = browser.until("globalThis.shiftvae?.first_ms")
            time.sleep(2)
            browser.value("shiftvae.ages_ms = [], shiftvae.sent_ms = [], shiftvae.paint_ms = []")
            before, started = browser.value("shiftvae.painted"), time.perf_counter()
            watched = service.spend(seconds)
            painted, took = browser.value("shiftvae.painted") - before, time.perf_counter() - started
            hovers = hover_ms(browser)
            ages, sent, paints = (browser.value(f"shiftvae.{name}_ms") for name in ("ages", "sent", "paint"))
            browser.until(f"shiftvae.painted >= {pictures}", limit_s=pictures)
            browser.call("HeapProfiler.collectGarbage")
            heap = browser.call("Runtime.getHeapUsage")
            total = browser.value("shiftvae.painted")
        finally:
            browser.close()
    print(f"first picture {first_ms:.0f} ms after the page was asked for")
    print(f"{painted / took:.1f} pictures/s, {painted} of {watched[1]} results; a paint: {np.median(paints):.2f} ms")
    for name, values in (
        ("age when painted", ages),
        ("of that, on the way from the service to the screen", sent),
        ("from the mouse to the painted answer", hovers),
    ):
        print(f"{name}: p50 {np.median(values):.0f} ms, p95 {np.percentile(values, 95):.0f} ms")
    each_ms = 1e3 * unwatched[0] / unwatched[1]
    more_ms = (1e3 * watched[0] - each_ms * watched[1]) / painted
    print(f"service: {each_ms:.2f} ms of CPU time for a frame, {more_ms:.2f} ms more for a picture:", end=" ")
    print(f"{30 * more_ms / 10:.1f} % of a core at 30/s")
    print(f"memory of the service: {memory:.0f} MB unwatched, {service.memory_mb() - memory:+.1f} MB with the page")
    used = heap["usedSize"] + heap.get("backingStorageSize", 0)
    print(f"heap of the page after {total} pictures: {used / 1e6:.1f} MB")


def hover_ms(browser: Browser, count: int = 200) -> list[float]:
    """Times from a movement of the mouse over the frame to the painted answer, ms."""
    rng = np.random.default_rng(0)
    browser.value("shiftvae.hover_ms = []")
    for x, y in rng.uniform(0.05, 0.95, (count, 2)):
        browser.point(x, y)
        time.sleep(0.03)
    browser.until("shiftvae.hover_ms.length")
    return browser.value("shiftvae.hover_ms")


class Five:
    """Five viewers, two of which read nothing."""

    def __init__(self, http: str) -> None:
        self._sockets = [Socket(http, receive_bytes=4096 if number < 2 else None) for number in range(5)]
        self.pictures, self._stop = 0, threading.Event()
        for stopped in self._sockets[:2]:
            stopped.say(b"r")
        self._threads = [threading.Thread(target=self._read, args=(each,), daemon=True) for each in self._sockets[2:]]
        for thread in self._threads:
            thread.start()

    def _read(self, client: Socket) -> None:
        client.say(b"r")
        while not self._stop.is_set():
            kind, _ = client.hear()
            if kind == 0:
                return
            if kind == 2 and not self._stop.is_set():
                self.pictures += 1
                with contextlib.suppress(BrokenPipeError):  # `close` came between
                    client.say(b"r")

    def close(self) -> None:
        self._stop.set()
        for each in self._sockets:
            each.socket.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for each in self._sockets:
            each.close()


def ages_ms(subscriber: Subscriber, seconds: float) -> list[float]:
    found, until = [], time.perf_counter() + seconds
    while time.perf_counter() < until:
        result = subscriber.receive(0.2)
        if result is not None and result.complete:
            found.append(result.age_s * 1e3)
    return found


def beside_viewers(service: Service, seconds: float, rounds: int) -> None:
    """Print the ages of results with and without viewers, measured in turns."""
    ages: dict[bool, list[float]] = {False: [], True: []}
    memory, rates = [], []
    with Subscriber(service.ready["results"]) as subscriber:
        subscriber.wait_ready(10)
        for turn in range(2 * rounds):
            watched = bool((turn + turn // 2) % 2)  # every order
            viewers = Five(service.ready["http"]) if watched else None
            ages_ms(subscriber, 0.5)
            before = 0 if viewers is None else viewers.pictures
            ages[watched] += ages_ms(subscriber, seconds / rounds)
            if viewers is not None:
                rates.append((viewers.pictures - before) / 3 / (seconds / rounds))
                memory.append(service.memory_mb())
                viewers.close()
    for watched, values in ages.items():
        p50, p99 = np.percentile(values, [50, 99])
        print(
            f"{'five viewers' if watched else 'no viewer':>13}: age p50 {p50:.1f} ms, p99 {p99:.1f} ms ({len(values)})"
        )
    print(f"a live one of the five gets {np.mean(rates):.1f} pictures/s")
    print(f"memory of the service, from the first turn with viewers to the last: {memory[0]:.0f}, {memory[-1]:.0f} MB")


def killed_and_back(model: Path, rate: float) -> None:
    """Print how soon a page says that its service is gone, and how soon it goes on."""
    service = Service(model, rate)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(find_chromium(), Path(profile))
        try:
            browser.open(f"http://{service.ready['http']}/")
            browser.until("globalThis.shiftvae?.first_ms")
            started = time.perf_counter()
            service.kill()
            browser.until("document.querySelector('#link').dataset.state === 'gone'")
            said_s = time.perf_counter() - started
            before = browser.value("shiftvae.painted")
            service = Service(model, rate, service.ready["http"])
            browser.until(f"shiftvae.painted > {before}")
            back_s = time.perf_counter() - service.ready_s
        finally:
            browser.close()
            service.close()
    print(f"killed: said after {said_s:.1f} s; the next picture {back_s:.1f} s after the service was ready again")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each part (default %(default)s)")
    parser.add_argument("--rate", type=float, default=30.0, help="frames a second (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=6, help="with and without viewers (default %(default)s)")
    parser.add_argument("--pictures", type=int, default=1, help="before the memory of the page is read (default 1)")
    arguments = parser.parse_args()
    in_this_process(arguments.model)
    service = Service(arguments.model, arguments.rate)
    try:
        in_a_browser(service, arguments.seconds, arguments.pictures)
        beside_viewers(service, arguments.seconds, arguments.rounds)
    finally:
        print(service.close())
    killed_and_back(arguments.model, arguments.rate)


if __name__ == "__main__":
    main()
