"""What a person sees on the live page in Chromium: pixels, lamp, counts, words; by keyboard, on a phone, in the dark.

Needs a Chromium on the PATH (Debian: ``apt-get install chromium``), and is skipped without one.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser_support import LIMIT_S, Browser, find_chromium
from stream_support import FREE, frame_message, noisy, until
from tiny_models import tiny_domain, tiny_manifest, tiny_members, tiny_weights, write_tiny_model

from shiftvae_rt.colours import colour_table
from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_rt.model.model_file import write_model_file
from shiftvae_rt.stream import Options, Producer, Service
from shiftvae_rt.view.planes import ends_of, levels

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the browser is driven on pipes that Windows does not have")
Make = Callable[..., Any]
PIXELS = """(at => {
  const canvas = document.querySelectorAll('#panels .box canvas')[at];
  return Array.from(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data);
})"""
#: Smallest contrast of a text on the page, with its element; the background is the nearest that is not transparent.
LEAST_CONTRAST = """(() => {
  const parse = words => words.match(/[\\d.]+/g).map(Number);
  const bright = ([r, g, b]) => [r, g, b].map(v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  let least = [99, ''];
  for (const element of document.querySelectorAll('body *')) {
    if (![...element.childNodes].some(n => n.nodeType === 3 && n.data.trim()) || !element.offsetParent) continue;
    let behind = element, back = [0, 0, 0, 0];
    while (behind && (back.length > 3 && back[3] < 0.6)) {
      back = parse(getComputedStyle(behind).backgroundColor);
      behind = behind.parentElement;
    }
    const [a, b] = [bright(parse(getComputedStyle(element).color)), bright(back)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < least[0]) least = [ratio, element.outerHTML.slice(0, 80)];
  }
  return least;
})()"""


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    found = find_chromium()
    if found is None:
        pytest.skip("no Chromium: apt-get install chromium")
    profile = tmp_path_factory.mktemp("profile")
    running = Browser(found, profile)
    yield running
    running.close()
    shutil.rmtree(profile, ignore_errors=True)  # tens of MB


@pytest.fixture
def browser(chromium: Browser) -> Browser:
    """The same browser with a new page."""
    chromium.new_page()
    return chromium


@pytest.fixture
def shown(serve: Make, mapper: LatentMapper) -> Service:
    return serve(mapper, options=Options(http="127.0.0.1:0", max_age_s=60.0))


def visit(browser: Browser, service: Service) -> None:
    browser.open(f"http://{service.http}/")
    browser.until("document.querySelector('#link')?.textContent.startsWith('connected')")
    until(lambda: service._showing.viewers.scenes.watched)


def seen(browser: Browser, at: int, shape: tuple[int, int]) -> np.ndarray:
    """Colours ``(height, width, 4)`` of the canvas `at` that place on the page, colour bars not counted."""
    return np.array(browser.value(f"{PIXELS}({at})"), np.uint8).reshape(*shape, 4)


def expected(values: np.ndarray, table: str) -> np.ndarray:
    low, high = ends_of(values.astype(np.float32), table)
    level = levels(values.astype(np.float32), low, high).astype(int)
    colours = colour_table("signed" if table == "median" else table)[np.round((level - 1) * 255 / 254).astype(int)]
    return np.concatenate([colours, np.full((*level.shape, 1), 255)], axis=-1)


def model_with(path: Path, **domain: object) -> LatentMapper:
    weights = tiny_weights()
    known = None if domain == {"domain": None} else tiny_domain(weights, **domain)
    write_model_file(path, tiny_manifest(weights, domain=known), tiny_members(weights))
    return LatentMapper(path)


def test_the_colours_of_frame_and_maps_are_those_of_their_values(
    browser: Browser, shown: Service, produce: Make, mapper: LatentMapper
) -> None:
    visit(browser, shown)
    producer: Producer = produce(shown, stream="a", mode="replay")
    frame = noisy((64, 48))
    producer.offer(frame, number=5, pixel_size_nm=0.02)
    browser.until("shiftvae.painted > 0")
    found = mapper.map(frame, pixel_size_nm=0.02)
    np.testing.assert_array_equal(seen(browser, 0, (64, 48)), expected(frame, "grey"))
    for at, values, table in (
        (1, found["z1"], "content"),
        (2, found["z2"], "content"),
        (3, found.fields["uy"] * np.float32(20), "median"),
        (5, found.fields["exx"], "signed"),
    ):
        difference = seen(browser, at, values.shape).astype(int) - expected(values, table)
        assert np.abs(difference).max() <= 6, at  # one level, by the rounding of limits in JSON
    words = browser.text("body")
    for part in ("in domain", "frame 5", "0.2 nm", "uy: displacement down", "pm", "exx: strain along x"):
        assert part in words, part
    assert browser.value("document.querySelector('#verdict').dataset.domain") == "in"
    assert browser.complaints() == []
    assert {address.split("/")[2] for address in browser.requests() if not address.startswith("data:")} == {shown.http}


def test_counts_and_refusals_are_told_as_they_happen(browser: Browser, shown: Service, produce: Make) -> None:
    visit(browser, shown)
    producer: Producer = produce(shown, stream="a", mode="replay")
    for pixels in (noisy((40, 40)), np.full((40, 40), 7, np.uint16), noisy((40, 40))):
        producer.offer(pixels)
        assert producer.wait(LIMIT_S)
    browser.until("document.querySelector('#refusals').innerText.includes('bad_frame')")
    assert "bad_frame, 1 of " in browser.text("#refusals"), "in the words of `shiftvae status`"
    assert "the frame is constant" in browser.text("#refusals")
    browser.until("document.querySelector('#counts tbody td').innerText === '3'")
    rows, cells = "document.querySelectorAll('#counts tbody tr')", "row.querySelectorAll('td')"
    counts = browser.value(f"Array.from({rows}, row => Array.from({cells}, cell => +cell.innerText))")
    assert counts == [[3, 3], [2, 2], [0, 0], [0, 0], [1, 1], [0, 0]]


@pytest.mark.parametrize(
    ("domain", "state", "words"),
    [
        ({"whitening": tuple(map(tuple, (100 * np.eye(10)).tolist()))}, "out", "windows are unlike"),
        ({"domain": None}, "unknown", "no description of its training data"),
    ],
    ids=["out of domain", "domain unknown"],
)
def test_the_lamp_says_whether_to_believe_it(
    browser: Browser, serve: Make, produce: Make, tmp_path: Path, domain: dict[str, Any], state: str, words: str
) -> None:
    service = serve(model_with(tmp_path / "m.svae", **domain), options=Options(http="127.0.0.1:0"))
    visit(browser, service)
    produce(service, stream="a", mode="replay").offer(noisy((40, 40)))
    browser.until("shiftvae.painted > 0")
    assert browser.value("document.querySelector('#verdict').dataset.domain") == state
    said = browser.text("#verdict")
    assert words in said
    assert {"out": "out of domain", "unknown": "domain unknown"}[state] in said
    shape = browser.value("getComputedStyle(document.querySelector('#lamp')).clipPath")
    assert shape.startswith("polygon") == (state == "out")  # the shape tells as well as the colour


def test_hostile_names_are_shown_as_text(browser: Browser, shown: Service, raw: Make) -> None:
    names = ["<img src=x onerror=alert(1)>", "</script><b>b</b>", "坑" * 64, "&lt;&amp;'\"`", "abc"]
    visit(browser, shown)
    for count, name in enumerate(names):
        client = raw(shown)
        client.hello(stream=name, mode="replay")
        client.say(*frame_message(noisy((40, 40)), source=name, name=name))
        client.say(*frame_message(np.full((40, 40), 7, np.uint16), source=name, seq=2))
        choose = f"(s => {{ s.value = {json.dumps(name)}; s.dispatchEvent(new Event('change')); }})"
        browser.until(f"document.querySelectorAll('#refusals li:not(.none)').length === {count + 1}")
        browser.value(f"{choose}(document.querySelector('#stream'))")
        browser.until(f"document.querySelector('#about bdi')?.textContent === {json.dumps(name)}")
        assert name in browser.value("document.querySelector('#refusals').textContent")
        assert browser.value("document.querySelectorAll('img, #about b b, #refusals b').length") == 0
    for width in (390, 1024, 1280, 390):
        browser.call("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=False)
        assert browser.value("document.documentElement.scrollWidth <= innerWidth"), f"it does not fit {width} px"
    assert browser.complaints() == []


def test_the_keyboard_reaches_everything_and_every_text_can_be_read(
    browser: Browser, shown: Service, produce: Make
) -> None:
    visit(browser, shown)
    producer: Producer = produce(shown, stream="a", mode="replay")
    producer.offer(noisy((40, 40)), pixel_size_nm=0.02)
    browser.until("shiftvae.painted > 0")
    reached = []
    browser.until("!document.querySelector('#traces').hidden")
    for _ in range(7):
        browser.press("Tab")
        reached.append(browser.value("document.activeElement.id || document.activeElement.className"))
        assert browser.value("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert reached == ["stream", "freeze", "arrows", "save", "archive", "box", "traced"]
    ratio, element = browser.value(LEAST_CONTRAST)
    assert ratio >= 4.5, element
    name = "each.ariaLabel || each.labels?.[0]?.innerText || each.innerText"
    seen_ones = "[...document.querySelectorAll('button, select, input, [role=img]')].filter(each => each.offsetParent)"
    assert all(browser.value(f"{seen_ones}.map(each => {name})"))
    assert browser.value("document.documentElement.lang") == "en"
    browser.value("document.activeElement.blur()")
    browser.press("f")
    assert browser.value("document.querySelector('#freeze').getAttribute('aria-pressed')") == "true"


def test_a_frozen_page_stands_still_and_goes_on_with_the_newest(
    browser: Browser, shown: Service, produce: Make
) -> None:
    visit(browser, shown)
    producer: Producer = produce(shown, stream="a", mode="replay")
    producer.offer(noisy((40, 40)), number=1)
    browser.until("document.querySelector('#about').innerText.includes('frame 1')")
    browser.value("document.querySelector('#freeze').click()")
    for number in range(2, 12):
        producer.offer(noisy((40, 40), seed=number), number=number)
        assert producer.wait(LIMIT_S)
    browser.until("document.querySelector('#counts tbody td').innerText === '11'")
    assert "frame 1," in browser.text("#about")
    assert "frozen" in browser.text("#about")
    browser.value("document.querySelector('#freeze').click()")
    browser.until("document.querySelector('#about').innerText.includes('frame 11')")


def test_what_is_shown_is_saved_with_its_legend(
    browser: Browser, shown: Service, produce: Make, tmp_path: Path
) -> None:
    pillow = pytest.importorskip("PIL.Image")
    visit(browser, shown)
    produce(shown, stream="a b", mode="replay").offer(noisy((64, 48)), number=3, pixel_size_nm=0.02)
    browser.until("shiftvae.painted > 0")
    browser.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    browser.press("s")
    until((tmp_path / "a_b_3.png").exists, LIMIT_S)
    until(lambda: not list(tmp_path.glob("*.crdownload")), LIMIT_S)
    with pillow.open(tmp_path / "a_b_3.png") as image:
        assert image.size[0] > 1000
        colours = {colour[:3] for _, colour in image.convert("RGB").getcolors(1 << 24)}
    for table in ("content", "signed"):  # its colour bars are there, from end to end
        assert {tuple(map(int, colour_table(table)[end])) for end in (0, -1)} <= colours


def test_each_grain_has_one_colour_and_is_told_by_its_number(
    browser: Browser, serve: Make, produce: Make, tmp_path: Path
) -> None:
    mapper = LatentMapper(write_tiny_model(tmp_path / "grains.svae", grains=2))
    service = serve(mapper, options=Options(http="127.0.0.1:0", max_age_s=60.0))
    visit(browser, service)
    frame = np.random.default_rng(0).poisson(40, (96, 80)).astype(np.uint16)
    produce(service, stream="a", mode="replay").offer(frame)
    browser.until("shiftvae.painted > 0")
    assert browser.value("[...document.querySelectorAll('.bar.labels span')].map(each => each.innerText)") == ["0", "1"]
    assert "Grain 1 is turned by" in browser.text("#legend")
    pixels = np.array(browser.value(PIXELS + "(1)")).reshape(-1, 4)
    ends = {tuple(map(int, colour_table("content")[end])) for end in (0, -1)}
    assert {tuple(map(int, pixel[:3])) for pixel in pixels if pixel[3]} == ends
    browser.point(0.5, 0.5)
    browser.until("document.querySelector('#values')?.innerText.includes('grain')")
    assert re.search(r"grain\s+([01] \(\d+ % sure\)|none)", browser.text("#values"))


def test_a_place_is_looked_at_pinned_and_compared_with_mouse_and_keys(
    browser: Browser, shown: Service, produce: Make, mapper: LatentMapper
) -> None:
    visit(browser, shown)
    frame = noisy((64, 48))
    produce(shown, stream="a", mode="replay").offer(frame, pixel_size_nm=0.02)
    browser.until("shiftvae.painted > 0")
    found = mapper.map(frame, pixel_size_nm=0.02)
    row, col = 5, 3
    browser.point((found.centre_x_px[col] + 0.5) / 48, (found.centre_y_px[row] + 0.5) / 64, click=True)
    browser.until("!document.querySelector('.look.pinned').hidden && !document.querySelector('#manifold').hidden")
    browser.point(0.9, 0.9)
    corner = "x 39.5 px of frame"
    browser.until(f"document.querySelector('#where').textContent.includes('{corner}')")
    cells = "Array.from(document.querySelectorAll('#values tbody tr'), row => row.innerText.split('\\t'))"
    values = {name: (here, pinned) for name, here, pinned in browser.value(cells)}
    for name, label in (("dy", "dy (px)"), ("z1", "z1")):
        at = found.names.index(name)
        for said, place in zip(values[label], ((-1, -1), (row, col)), strict=True):
            mean, sd = map(float, said.split(" ± "))
            assert abs(mean - found.mean[at][place]) <= 0.06 * sd
            assert sd == pytest.approx(found.std[at][place], rel=0.06)
    assert "ux (pm)" in values
    assert browser.value("document.querySelectorAll('.spot.pin:not([hidden])').length") > 5  # in every panel
    seen_window = np.array(browser.value(
        "Array.from(document.querySelector('.look.pinned canvas').getContext('2d').getImageData(0, 0, 16, 16).data)"
    )).reshape(16, 16, 4)[..., 0]  # fmt: skip
    window = frame[4 * row : 4 * row + 16, 4 * col : 4 * col + 16].astype(float)
    assert np.corrcoef(seen_window.ravel(), window.ravel())[0, 1] > 0.97
    browser.value("document.querySelector('.frame .box').focus()")
    browser.press("ArrowLeft")
    browser.until(f"!document.querySelector('#where').textContent.includes('{corner}')")
    browser.press("Escape")
    assert browser.value("document.querySelectorAll('.spot:not([hidden])').length") == 0
    assert browser.complaints() == []


def test_earlier_frames_can_be_seen_again_and_traces_and_arrows_are_drawn(
    browser: Browser, shown: Service, produce: Make, tmp_path: Path
) -> None:
    visit(browser, shown)
    producer: Producer = produce(shown, stream="a", mode="replay")
    frames = [noisy((64, 48), seed=seed) for seed in range(3)]
    for number, frame in enumerate(frames):
        producer.offer(frame, number=number, pixel_size_nm=0.02)
        browser.until(f"document.querySelector('#about').innerText.includes('frame {number},')")
    slide = "slider => { slider.value = %d; slider.dispatchEvent(new Event('input')); }"
    browser.value(f"({slide % 0})(document.querySelector('#history'))")
    assert "frame 0, " in browser.text("#about")
    np.testing.assert_array_equal(seen(browser, 0, (64, 48)), expected(frames[0], "grey"))
    browser.press("Escape")
    browser.until("document.querySelector('#about').innerText.includes('frame 2,')")
    browser.press("a")
    assert "longest arrow" in browser.text("#about")
    assert browser.value("document.querySelector('canvas.arrows').width") > 0
    browser.until("document.querySelectorAll('#charts canvas').length === 3")
    charts = browser.value("Array.from(document.querySelectorAll('#charts .uplot'), each => each.ariaLabel)")
    assert [words.split(" over time")[0] for words in charts] == [
        "age in ms",
        "score of the verdict, limit 1",
        "mean of z1",
    ]
    browser.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    browser.press("n")
    until((tmp_path / "a_2.npz").exists, LIMIT_S)
    until(lambda: not list(tmp_path.glob("*.crdownload")), LIMIT_S)
    with np.load(tmp_path / "a_2.npz") as archive:
        assert archive["mean"].shape == (4, 13, 9)
    assert browser.complaints() == []


class Process:
    """A service in a process of its own, which can be killed."""

    def __init__(self, model: Path, http: str = "127.0.0.1:0", ingest: str = FREE) -> None:
        command = [sys.executable, "-m", "shiftvae_rt", "serve", str(model), "--json", "--http", http]
        command += ["--ingest", ingest, "--results", FREE, "--control", "off"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.ready = json.loads(self.process.stdout.readline())

    def end(self, number: int = signal.SIGKILL) -> None:
        self.process.send_signal(number)
        self.process.wait(LIMIT_S)
        self.process.stdout.close()


@pytest.mark.clock
def test_a_service_that_is_killed_or_hangs_is_said_to_be_gone_and_comes_back_by_itself(
    browser: Browser, tiny_model: Path, produce: Make
) -> None:
    service = Process(tiny_model)
    try:
        browser.open(f"http://{service.ready['http']}/")
        browser.until("document.querySelector('#link')?.textContent.startsWith('connected')")
        producer: Producer = produce(service.ready["ingest"], stream="a", mode="replay")
        producer.offer(noisy((40, 40)), number=1)
        browser.until("globalThis.shiftvae?.painted > 0")

        service.process.send_signal(signal.SIGSTOP)
        browser.until("document.querySelector('#link').dataset.state === 'gone'")
        service.process.send_signal(signal.SIGCONT)
        browser.until("document.querySelector('#link').textContent.startsWith('connected')")

        service.end()
        browser.until("document.querySelector('#link').dataset.state === 'gone'")
        assert "gone" in browser.text("#link")
        assert "frame 1" in browser.text("#about")  # the last picture stays
        service = Process(tiny_model, service.ready["http"], service.ready["ingest"])
        browser.until("document.querySelector('#link').textContent.startsWith('connected')")
        assert browser.value("document.body.className") == ""

        def fresh() -> bool:
            producer.offer(noisy((40, 40)), number=77)
            return browser.value("document.querySelector('#about').innerText.includes('frame 77')")

        until(fresh, LIMIT_S)
    finally:
        service.end()
