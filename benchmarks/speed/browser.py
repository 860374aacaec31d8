"""What the page that maps a scan in a browser costs: its size, and the time of a frame of 512 x 512 px at stride 4.

    python benchmarks/speed/browser.py [--frames 20]

Needs web/dist/shiftvae.html (`make wasm`) and a Chromium on the PATH. The models are random ones of two families, with
a window of 32 px; the least of the times counts, which other programs disturb least.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from random_models import random_weights, write_random_model

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "web"))
from web_support import LIMIT_S, PAGE, Browser, Visit, find_chromium  # noqa: E402 - after its folder is named

SIDE = 512


def measure(browser: Browser, folder: Path, frames: int) -> dict[str, float]:
    model = write_random_model(folder / "model.svae", random_weights("convolutional"))
    np.save(folder / "scan.npy", np.random.default_rng(0).poisson(100, (SIDE, SIDE)).astype(np.uint16))
    browser.new_page()
    visit = Visit(browser, folder)
    visit.give(model, folder / "scan.npy")
    for count in range(1, frames):
        browser.value("document.querySelector('#frame').onchange()")
        browser.until(f"shiftvae.mapped > {count}", LIMIT_S)
    figures = visit.figures()
    return {"open_ms": round(min(figures["open_ms"])), "map_ms": round(min(figures["map_ms"]))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=20)
    frames, page = parser.parse_args().frames, PAGE.read_bytes()
    found: dict[str, object] = {"page_kB": round(len(page) / 1e3), "packed_kB": round(len(gzip.compress(page)) / 1e3)}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        browser = Browser(find_chromium(), Path(folder) / "profile")
        try:
            found |= measure(browser, Path(folder), frames)
        finally:
            browser.close()
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
