"""The figures of a run as Markdown, beside what the issue asks."""

from __future__ import annotations

from typing import Any

START, END = "<!-- speed: written by benchmarks/run.py -->", "<!-- end of speed -->"


def markdown_of(report: dict[str, Any]) -> str:
    """All tables."""
    machine, limits = report["machine"], report["limits"]
    fma = f"{limits['fma_gflops']:.0f} GFLOP/s (two threads at once: {limits['fma_gflops_two']:.0f})"
    about = (
        "`make bench` measures this section anew. One thread, CPU time unless said, medians ± half the interquartile "
        "range; what is compared took turns in one process. Weights are random: the time does not depend on them."
    )
    where = (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['isa']}, onnxruntime {machine['onnxruntime']}, load "
        f"{machine['load']:.1f} at the start and {machine['load_at_end']:.1f} at the end. Limits of one core: "
        f"multiply-add {fma}, Gemm of onnxruntime {limits['gemm_gflops']:.0f} GFLOP/s, write "
        f"{limits['write_gb_per_s']:.0f} GB/s, copy {limits['copy_gb_per_s']:.0f} GB/s."
    )
    which = (
        "*Pipeline*: crop loop, z-score of the stack, DataLoader, the mlp in torch (z-scored crop by crop: 1.4 to 2.4 "
        "times as long). *Well written*: numpy views and large batches. *Window by window*: the same windows, mlp in "
        "onnxruntime. Ratios are against the pipeline."
    )
    parts = [
        START,
        "## Speed",
        about,
        where,
        "### Against what was asked",
        table([{"what": w, "asked": a, "found": f} for w, a, f in verdicts(report)]),
        "### Windows cut and z-scored, stride 1, uint16",
        "Of the largest frames a band of rows. *Of limit*: of a plain write of as many bytes. scikit-learn's are raw.",
        table(report["kernels"]["windows"]),
        "### Mean and deviation of every window of 32 px",
        table(report["kernels"]["statistics"]),
        "### Whole frames, 512 x 512 uint16, window 32, ms",
        encoders_table(report["encoders"]),
        which,
        "### Rows, 512 px wide",
        table([{k: v for k, v in r.items() if not k.endswith("_spread")} for r in report["rows"]]),
        "### Exactness against float64, window by window",
        table(report["exactness"]),
        "### The mlp's first layer: spectra of lines, and a product for each window in float32",
        "Errors against float64, in units of the products' deviation.",
        table([{k: v for k, v in r.items() if not k.endswith("_spread")} for r in report["first_layer"]]),
        "### Size, stride 4",
        table(report["sizes"]),
        "### Stride, 512 x 512, ms",
        table([{k: v for k, v in r.items() if not k.endswith("_spread")} for r in report["strides"]]),
        "![Cost against area and stride](speed.svg)",
        "### Channels, 512 x 512, stride 4",
        table(report["channels"]),
        "### Two threads, by the clock, ms",
        table(report["threads"]),
        "### Memory of a process that maps one frame at stride 4",
        table(report["memory"]),
        f"GPU: {report['gpu']}",
        END,
    ]
    return "\n\n".join(parts) + "\n"


def verdicts(report: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Every row of the issue that a whole run measures."""
    by_stride = {row["stride"]: row for row in report["encoders"]}

    def each(key: str, unit: str = "x") -> str:
        return ", ".join(f"{row[key]:.0f}{unit}" for row in report["encoders"])

    def share(key: str) -> str:
        return ", ".join("?" if row[key] is None else f"{row[key]:.0%}" for row in report["encoders"])

    peers = report["peers"]
    by_line = {row["encoder"]: row for row in report["rows"] if row["stride"] == 1}
    if "not_measured" in peers:
        against = f"not measured: {peers['not_measured']}"
    else:
        ours = by_stride[1]
        encoders = ("convolutional", "mlp")
        against = "; ".join(
            f"{name} {peers[key]} {peers[f'{key}_ms']:.0f} ms: "
            + ", ".join(f"{peers[f'{key}_ms'] / ours[encoder]:.0f}x ({encoder})" for encoder in encoders)
            for name, key in (("AtomAI", "atomai"), ("pyroVED", "pyroved"))
        )
    size = {row["size"]: row for row in report["sizes"]}
    errors = {(row["encoder"], row["frame"].split()[0]): row for row in report["exactness"]}
    worst = max(row["error"] for row in report["exactness"] if row["frame"] != "normal")
    longer = max(row["time_against_normal"] for row in report["exactness"]) - 1
    memory = {row["size"]: row["peak_mb"] for row in report["memory"]}
    one, two = report["limits"]["fma_gflops"], report["limits"]["fma_gflops_two"]
    both = f" (two threads of multiply-add alone: {two / one:.2f}x)"
    cut = [row for row in report["kernels"]["windows"] if row["window"] == 32]
    return [
        (
            f"windows of 32 px cut and z-scored, {', '.join(str(row['frame']) for row in cut)} px, of the write limit",
            "85 %",
            ", ".join(f"{row['of_limit']:.0%}" for row in cut),
        ),
        (
            "the same against NumPy; against a copy of the result",
            "25x; faster",
            ", ".join(f"{row['times_numpy']:.0f}x" for row in cut)
            + "; "
            + ", ".join(f"{row['times_copy']:.1f}x" for row in cut),
        ),
        ("its largest error, offset 60000, deviation 3", "1e-6", f"{max(row['error'] for row in cut):.1e}"),
        (
            "convolutional (the default) against the pipeline, strides 1, 2, 4, 8",
            "150x, 75x, 50x, 33x",
            each("convolutional_against_pipeline"),
        ),
        (
            "its network as plain convolutions would count, share of multiply-add",
            "105 % at strides 1 to 4 with AVX2",
            share("of_fma"),
        ),
        ("the same, share of onnxruntime's Gemm", "", share("of_gemm")),
        (
            "onnxruntime with its graph, time against the whole map",
            "1.25x with AVX2",
            ", ".join(f"{row['graph_against_map']:.2f}x" for row in report["encoders"]),
        ),
        ("mlp against the pipeline, same weights", "20x, 6x, 6x, 6x", each("mlp_against_pipeline")),
        ("`LatentMapper.map` beyond the bare onnxruntime call with the network's graph", "10 %", share("beyond_graph")),
        ("beyond its own network alone", "", share("beyond_network")),
        (
            "means and deviations of all windows, of the dense encode at stride 1",
            "3 % (or 1 ms)",
            f"{by_stride[1]['preparation'] / by_stride[1]['convolutional']:.1%}, {by_stride[1]['preparation']:.2f} ms",
        ),
        (
            "dense against float64, normal frame (convolutional, mlp)",
            "1e-5 of a latent's sd",
            f"{errors['convolutional', 'normal']['error']:.1e}, {errors['mlp', 'normal']['error']:.1e}",
        ),
        ("extreme frames", "5e-5, 30 % longer", f"{worst:.1e}, {longer:.0%} longer"),
        ("rows: bits", "identical", "identical" if all(r["bit_identical"] for r in report["rows"]) else "DIFFERENT"),
        (
            "rows: last line in to last map row out, convolutional; mlp",
            "0.12 ms median",
            "; ".join(f"{row['latency_median_ms']:.2f}" for row in by_line.values()) + " ms",
        ),
        (
            "rows: total at 8 rows a call, of the whole frame, convolutional; mlp",
            "1.25x",
            "; ".join(f"{row['at_8_rows']:.2f}x" for row in by_line.values()),
        ),
        (
            "two threads, strides 1, 2, 4, convolutional; mlp",
            "1.7x on a quiet machine",
            "; ".join(
                ", ".join(f"{row['gain']:.2f}x" for row in report["threads"] if row["encoder"] == name)
                for name in ("convolutional", "mlp")
            )
            + both,
        ),
        (
            "1024 x 1024 against 512 x 512, stride 4",
            "4.5x",
            f"{size[1024]['against_512']:.2f}x" if 1024 in size else "?",
        ),
        ("4096 x 4096 at stride 4", "1500 MB", f"{memory[4096]} MB" if 4096 in memory else "?"),
        ("against AtomAI `encode_images`, pyroVED `encode`, stride 1", "measured", against),
    ]


def encoders_table(rows: list[dict[str, Any]]) -> str:
    """Milliseconds with spread, and the ratios."""
    names = {
        "convolutional": "convolutional", "graph": "its graph in onnxruntime", "mlp": "mlp", "pipeline": "pipeline",
        "well_written": "well written", "onnxruntime": "window by window",
    }  # fmt: skip
    return table(
        [
            {"stride": row["stride"]}
            | {title: f"{row[name]:.4g} ± {row[f'{name}_spread']:.2g}" for name, title in names.items()}
            | {
                f"{name} against pipeline": f"{row[f'{name}_against_pipeline']:.0f}x"
                for name in ("convolutional", "mlp")
            }
            | {"GFLOP": f"{row['gflop']:.3g}"}
            for row in rows
        ]
    )


def table(rows: list[dict[str, Any]]) -> str:
    """A Markdown table with the keys as its head."""
    head = list(rows[0])
    lines = ["| " + " | ".join(name.replace("_", " ") for name in head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(_cell(row[name]) for name in head) + " |" for row in rows])


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.1e}" if 0 < abs(value) < 1e-3 else f"{value:.4g}"
    return str(value)
