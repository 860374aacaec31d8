"""Check the built book without a network: links within it lead somewhere, and no page loads anything from elsewhere.

python docs/check_links.py build/docs
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlparse

#: Tags whose address is loaded by the browser when it shows the page.
LOADS = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}
#: Relations of a `link` that load nothing.
LINKS_ONLY = {"index", "search", "next", "prev", "canonical", "author", "copyright", "top", "up"}


class Page(HTMLParser):
    """Anchors of a page, links on it, and what it loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag in LOADS and LOADS[tag] in given and given.get("rel") not in LINKS_ONLY:
            self.loads.append(given[LOADS[tag]])


def faults(root: Path) -> list[str]:
    """What is wrong with the pages below `root`, one line each."""
    pages = {path.resolve(): Page(path.read_text(encoding="utf-8")) for path in sorted(root.rglob("*.html"))}
    if not pages:
        return [f"{root}: no pages: build the book first"]
    found = [f"{path}: {fault}" for path, page in pages.items() for fault in faults_of(path, page, pages)]
    for path in sorted(root.rglob("*.css")):
        loads = re.findall(r"(?:url\(|@import)\s*['\"]?((?:https?:)?//[^'\")\s]+)", path.read_text(encoding="utf-8"))
        found += [f"{path}: loads {address} from the network" for address in loads]
    return found


def faults_of(path: Path, page: Page, pages: dict[Path, Page]) -> Iterator[str]:
    """What is wrong with the page at `path`."""
    for address in sorted({*page.links, *page.loads}):
        parts = urlparse(address)
        if parts.scheme or parts.netloc:
            if address in page.loads and parts.scheme != "data":
                yield f"loads {address} from the network"
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        if not target.exists():
            yield f"{address} leads to no file"
        elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
            yield f"{address} leads to no anchor of {target.name}"


def main() -> int:
    found = faults(Path(sys.argv[1]))
    for fault in found:
        print(fault, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
