"""The picture of the page in the book, docs/how-to/browser.jpg.

    python web/screenshot.py

Needs web/dist/demo.html (`make wasm`, then `python web/demo.py`) and a Chromium on the PATH.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from bundle import OUT, ROOT

sys.path.insert(0, str(ROOT / "tests" / "stream" / "view"))
from browser_support import Browser, find_chromium

SCREEN = (1280, 1060)
PICTURE = ROOT / "docs" / "how-to" / "browser.jpg"


def main() -> None:
    program = find_chromium()
    if program is None:
        sys.exit("no Chromium: apt-get install chromium")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        browser = Browser(program, Path(folder))
        try:
            browser.open(OUT.with_name("demo.html").as_uri())
            browser.until("globalThis.shiftvae?.mapped > 0")
            browser.point(0.62, 0.4)
            browser.until("!document.querySelector('#manifold').hidden")
            browser.value("new Promise(done => setTimeout(done, 300))")
            browser.picture(PICTURE, size=SCREEN)
        finally:
            browser.close()
    print(PICTURE.relative_to(ROOT))


if __name__ == "__main__":
    main()
