"""The screenshots of the live page in the book, of a simulated scan.

    python benchmarks/screenshots.py [--model sample.svae]

Writes docs/how-to/live-page*.jpg. Needs a Chromium on the PATH. Without a model it trains one, a minute and a half on
one core.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from shiftvae_rt import LatentMapper
from shiftvae_rt.simulator import Crystal, Microscope, SimulatedFrame
from shiftvae_rt.stream import Options, Producer, Service

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "docs" / "how-to"
sys.path.insert(0, str(ROOT / "tests" / "stream" / "view"))
from browser_support import Browser, find_chromium  # noqa: E402 - after its folder is named

FREE = "tcp://127.0.0.1:0"
SHAPE = (512, 512)
#: Lines of a band, and lines that have arrived when the picture is taken.
BAND, LINES = 16, 304
SCREEN = (1280, 1240)


def trained(folder: Path) -> Path:
    from shiftvae_rt import Frame
    from shiftvae_training import fit

    frame = Microscope(shape=SHAPE).frame(0)
    fit(Frame(frame.pixels, frame.pixel_size_nm, "simulated"), progress=False).save(folder / "sample.svae")
    return folder / "sample.svae"


def send(producer: Producer, frame: SimulatedFrame, number: int, lines: int = SHAPE[0]) -> None:
    """Send the first lines of a frame in bands."""
    for row in range(0, lines, BAND):
        rows = frame.pixels[row : row + BAND]
        producer.offer_rows(number, rows, row, SHAPE, pixel_size_nm=frame.pixel_size_nm)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        mapper = LatentMapper(arguments.model or trained(Path(folder)))
        browser = Browser(find_chromium(), Path(folder) / "profile")
        options = Options(http="127.0.0.1:0", max_age_s=60.0)
        try:
            with Service(mapper, ingest=FREE, results=FREE, options=options) as service:
                take(browser, service)
        finally:
            browser.close()


def take(browser: Browser, service: Service) -> None:
    browser.call(
        "Emulation.setDeviceMetricsOverride", width=SCREEN[0], height=SCREEN[1], deviceScaleFactor=1, mobile=False
    )
    browser.open(service.page)
    browser.until("document.querySelector('#link')?.textContent.startsWith('connected')")
    microscope = Microscope(seed=0, shape=SHAPE)
    with Producer(service.ingest, stream="HAADF", mode="replay") as producer:
        producer.wait_ready(10)
        producer.offer(microscope.frame(1).pixels, number=1, pixel_size_nm=microscope.pixel_size_nm)
        producer.wait(30)
        producer.offer(np.zeros(SHAPE, np.uint16), number=2)  # a blanked beam, which is refused
        producer.wait(30)
        for number in range(3, 12):  # what the traces show
            send(producer, microscope.frame(number), number)
            producer.wait(30)
            browser.until(f"document.querySelector('#about').textContent.includes('frame {number},')")
            time.sleep(0.2)  # they take five points a second
        scan(browser, producer, microscope, 12)
        browser.press("a")
        look(browser)
        browser.picture(OUT / "live-page.jpg", size=SCREEN)
        browser.press("Escape")
        browser.picture(OUT / "live-page-phone.jpg", size=(390, 844), mobile=True)
        other = Microscope(Crystal(vectors=((25.5, 0.0), (0.0, 25.5))), shape=SHAPE)  # another magnification
        producer.offer(other.frame(1).pixels, number=13, pixel_size_nm=microscope.pixel_size_nm)
        producer.wait(30)
        browser.until("document.querySelector('#verdict').dataset.domain === 'out'")
        browser.picture(OUT / "live-page-out.jpg", size=(1024, 300))


def scan(browser: Browser, producer: Producer, microscope: Microscope, number: int) -> None:
    """Scan one more frame in bands, up to the line at which the picture is taken."""
    send(producer, microscope.frame(number), number, LINES)
    browser.until(f"document.querySelector('#about').textContent.includes('{LINES} of')")
    browser.until("document.querySelector('#refusals').textContent.includes('bad_frame')")


def look(browser: Browser) -> None:
    """Pin a place with the mouse, and point at another."""
    browser.point(0.3, 0.3, click=True)
    browser.until("!document.querySelector('#manifold').hidden")
    browser.point(0.6, 0.25)
    browser.until("!document.querySelector('.look.here').hidden && shiftvae.hover_ms.length > 1")


if __name__ == "__main__":
    main()
