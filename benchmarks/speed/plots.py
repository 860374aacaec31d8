"""Cost against area and stride, drawn from a run's figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

STYLES = {"pipeline": "k:", "mlp": "C2s-", "convolutional": "C0o-"}


def write_plots(figures: dict[str, Any], path: Path) -> None:
    """One SVG with both panels; the same figures give the same file."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    area, stride = figure.subplots(1, 2)
    sizes = figures["sizes"]
    squares = [row["size"] ** 2 for row in sizes]
    area.loglog(squares, [row["ms"] for row in sizes], STYLES["convolutional"], label="convolutional, stride 4")
    middle = next(row for row in sizes if row["size"] == 512)
    area.loglog(squares, [middle["ms"] * s / 512**2 for s in squares], "k--", lw=0.8, label="proportional to area")
    area.set(xlabel="area of the frame, px", ylabel="CPU time of one thread, ms")
    for name, style in STYLES.items():
        rows = figures["encoders"] if name == "pipeline" else figures["strides"]
        label = "mlp, window by window in torch" if name == "pipeline" else name
        stride.loglog([row["stride"] for row in rows], [row[name] for row in rows], style, label=label, base=2)
    strides = [row["stride"] for row in figures["strides"]]
    stride.set(xlabel="stride, px (512 x 512 px frame)")
    stride.set_xticks(strides, [str(s) for s in strides])
    stride.set_yscale("log", base=10)
    for axes in (area, stride):
        axes.legend(frameon=False, fontsize=8)
        axes.grid(alpha=0.3)
    with mpl.rc_context({"svg.hashsalt": "speed", "svg.fonttype": "none"}):
        figure.savefig(path, metadata={"Date": None})
