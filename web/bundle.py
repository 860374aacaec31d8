"""The page that maps a scan in a browser, as one file: web/dist/shiftvae.html.

    python web/bundle.py

Every module, style, table of colours and the library stand in the file itself, so that it works from a static host and
from a disk alike, and the policy of the page can forbid every request. `make wasm` builds the library before.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from pathlib import Path

from shiftvae_rt.fields import FIELD_NAMES, FIELD_UNITS
from shiftvae_rt.model.manifest import USED_NATS
from shiftvae_rt.pictures.captions import DRAWN_DEG, Caption, field_caption, latent_caption, legend_of
from shiftvae_rt.view.site import page_files

ROOT = Path(__file__).resolve().parents[1]
WEB, STATIC = ROOT / "web", ROOT / "shiftvae_rt" / "view" / "static"
OUT = WEB / "dist" / "shiftvae.html"
LIBRARY = ROOT / "build" / "wasm" / "cpp" / "wasm" / "shiftvae.wasm"

_IMPORT = re.compile(r'^import \{ (.*) \} from "(.*)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const) )", re.MULTILINE)
_EXPORTED = re.compile(r"^export (?:async )?(?:function|class|const) (\w+)(.*)$", re.MULTILINE)


def page(library: bytes, more: dict[str, bytes] | None = None) -> str:
    """Put the page together around the library; `more` are data blocks by id, as for a demo."""
    styles = (STATIC / "page.css").read_text("utf-8") + (WEB / "page.css").read_text("utf-8")
    script = bundled(WEB / "page.js")
    policy = (
        f"default-src 'none'; script-src {_hash(script)} 'wasm-unsafe-eval'; style-src {_hash(styles)}; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    blocks = [f'<script type="application/json" id="words">{json.dumps(words(), ensure_ascii=False)}</script>']
    for name, content in {"library": library, **(more or {})}.items():
        packed = base64.b64encode(gzip.compress(content, 9, mtime=0)).decode()
        blocks.append(f'<script type="text/plain" id="{name}">{packed}</script>')
    filled = (WEB / "page.html").read_text("utf-8")
    for place, text in {"policy": policy, "styles": styles, "data": "\n".join(blocks), "script": script}.items():
        filled = filled.replace(f"{{{place}}}", text, 1)
    return filled


def words() -> dict[str, object]:
    """Colours, titles and explanations, from the one table that the runtime has."""
    units = {**dict(zip(FIELD_NAMES, FIELD_UNITS, strict=True)), "order": "", "antiphase": "deg"}
    fields = [{"name": name, "unit": unit, **_said(field_caption(name, None))} for name, unit in units.items()]
    return {
        "tables": json.loads(page_files()["/colours.json"][1]),
        "latents": {name: _said(latent_caption(name, None)) for name in ("dy", "dx", "phi", "scale", "grain")},
        "used_nats": USED_NATS,
        "drawn_deg": DRAWN_DEG,
        "fields": fields[:6],
        "order_fields": fields[6:],
        "legend": {
            "content": legend_of(["z1"], [""], [], None, shifts=False),
            "fields": legend_of([], [], ["exx"], None, shifts=False),
            "order": legend_of([], [], ["order1"], None, shifts=False),
            "shifts": legend_of([], [], [], None, shifts=True),
        },
    }


def _said(caption: Caption) -> dict[str, object]:
    return {"title": caption.title, "colours": caption.colours, "limits": caption.limits}


def bundled(first: Path) -> str:
    """Join a module and all that it imports into one script: each becomes a function that gives what it exports."""
    parts: list[str] = []
    places: dict[Path, int] = {}

    def add(path: Path) -> int:
        if path not in places:
            source = path.read_text("utf-8")
            assert "</script" not in source, path
            lines = [
                f"const {{ {name} }} = part{add((path.parent / other).resolve())};\n"
                for name, other in _IMPORT.findall(source)
            ]
            names = [name for name, _ in _EXPORTED.findall(source)]
            body = _EXPORT.sub("", _IMPORT.sub("", source))
            places[path] = len(places)
            opened = f"const part{places[path]} = await (async () => {{\n"
            parts.append(f"{opened}{''.join(lines)}{body}return {{ {', '.join(names)} }};\n}})();\n")
        return places[path]

    add(first.resolve())
    return "".join(parts)


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def write(path: Path, text: str) -> None:
    """Write a page, and say how much of it travels from a host that packs."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, "utf-8")
    packed = len(gzip.compress(text.encode()))
    print(f"{path.relative_to(ROOT)}: {len(text.encode()) / 1e3:.0f} kB, {packed / 1e3:.0f} kB packed")


if __name__ == "__main__":
    write(OUT, page(LIBRARY.read_bytes()))
