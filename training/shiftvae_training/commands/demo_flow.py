"""The demo from end to end: train on a scan, start a service, stream new scans to it line by line, collect the maps.

simulator or file -> train -> model file -> `shiftvae serve` (its own process) -> rows in, maps out -> picture, scores
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from shiftvae_rt.commands.text import counted, described, say
from shiftvae_rt.errors import DataFileError, ServiceError
from shiftvae_rt.files import check_output, read_frames, write_latent_map
from shiftvae_rt.frame import Frame, as_pixel_size, as_pixels
from shiftvae_rt.model.manifest import DataSource
from shiftvae_rt.names import shown
from shiftvae_rt.output_file import try_output, write_whole
from shiftvae_rt.simulator import Microscope, SimulatedFrame
from shiftvae_rt.stream import (
    Counters,
    Pace,
    Producer,
    Result,
    Subscriber,
    counters_line,
    replay,
)

from ..finishing.evaluate import order_parameter_r2, score_shift
from ..fit_model import fit_scans
from ..fitting.progress import Progress
from ..fitting.settings import Settings
from ..scans import Scans, read_scans
from ..train import Trained
from .arguments import check_model_output
from .demo_settings import DemoSettings
from .summary import summarise

__all__ = ["demo", "table"]

#: Largest number of frames of a stack that are used for training; at least half are left to stream.
MOST_TRAINING_FRAMES = 20
#: Counters of the frames, in the order of the accounting identity.
COUNTED = ("offered", "processed", "dropped_producer", "dropped_stale", "rejected", "quarantined")


def demo(settings: DemoSettings) -> dict[str, Any]:
    """Run the demo: write model, picture and ``summary.json`` into the folder, and return the summary.

    Raises
    ------
    ShiftVaeError
        from reading, training, exporting or the service; `ServiceError` if no map was complete.
    """
    folder = Path(settings.output)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataFileError(f"cannot create the folder {folder}: {error.strerror or error}") from error
    model = folder / "model.svae"
    check_model_output(str(model), force=settings.force, report=True)
    for name in ("latent_map.png", "latent_map.npz"):
        check_output(folder / name, force=settings.force)
    try_output(folder / "summary.json", force=settings.force)
    say(f"reading {shown(settings.input)} ..." if settings.input else "simulating the scans ...")
    scans, stream, truths = _scans(settings)
    trained = _train(scans, settings, model)
    say("starting a service with the model ...")
    with _service(model, settings.stride) as (ingest, results):
        say(f"streaming {counted(len(stream), 'frame')} at {settings.frames_per_s:g} frames/s ...")
        collected, counters = _stream(stream, settings, ingest, results)
    maps = [result for result in collected if result.complete]
    if not maps:
        raise ServiceError("no map was complete: the machine is too busy for this frame rate, choose a lower --fps")
    say("scoring and drawing the maps ...")
    ages = 1e3 * np.array([result.age_s for result in collected])
    last = maps[-1]
    truth = truths[last.frame] if truths else None
    beside = {"true displacement of B (px)": truth.displacement_px} if truth is not None else {}
    write_latent_map(folder / "latent_map.png", last.latent_map, frame=stream[last.frame], truth=beside)
    write_latent_map(folder / "latent_map.npz", last.latent_map)
    summary = {
        "source": settings.input or "simulated microscope",
        "training": summarise(trained),
        "scores": _mean_scores([_scores(r, truths[r.frame], trained) for r in maps]) if truths else None,
        "stream": {
            "frame_shape": list(stream[0].pixels.shape),
            "rows_a_message": settings.rows,
            "frames_per_s": settings.frames_per_s,
            "maps": len(maps),
            "results": len(collected),
            "age_p50_ms": round(float(np.percentile(ages, 50)), 2),
            "age_p99_ms": round(float(np.percentile(ages, 99)), 2),
            **counters,
        },
    }
    write_whole(folder / "summary.json", json.dumps(summary, indent=1) + "\n")
    return summary | {"folder": str(folder)}


def table(summary: dict[str, Any]) -> str:
    """Table of the summary as text."""
    training, stream, scores = summary["training"], summary["stream"], summary["scores"]
    steps = f"{training['steps']} steps, held-out loss {training['held_out_loss']} nats a window"
    lines = [
        ("source", f"{summary['source']}, {training['lattice']}"),
        ("training", f"{training['cpu_s']} s CPU, {steps}"),
    ]
    if scores is not None:
        explained = f"R2 {scores['r2']:.3f} (linear {scores['linear_r2']:.3f})"
        lines += [
            ("order parameter", f"{explained} from the content latents alone"),
            ("shift", f"error {', '.join(f'{v:.2f}' for v in scores['shift_rms_px'])} px rms (y, x)"),
        ]
    shape = " x ".join(str(n) for n in stream["frame_shape"])
    pace = f"{stream['rows_a_message']} lines a message, {stream['frames_per_s']:g} frames/s"
    age = f"p50 {stream['age_p50_ms']:.1f} ms, p99 {stream['age_p99_ms']:.1f} ms"
    lines += [
        ("streamed", f"{stream['maps']} maps of {shape} px frames, {pace}"),
        ("age of results", f"{age} after their newest scan line"),
        ("frames", counters_line(Counters(**{name: stream[name] for name in COUNTED}))),
        ("written", f"{summary['folder']}/latent_map.png, latent_map.npz, model.svae, summary.json"),
    ]
    return described(lines, column=17)


def _scans(settings: DemoSettings) -> tuple[Scans, list[Frame], list[SimulatedFrame]]:
    """Scans for training, frames to stream, and the truth of the latter (empty for a file)."""
    if settings.input is None:
        microscope = Microscope(seed=settings.seed)
        first = microscope.frame(0)
        truths = [microscope.frame(index) for index in range(1, settings.frames + 1)]
        source = DataSource(name="simulator", sha256="", frames=1, shape=(1, *first.pixels.shape), dtype="uint16")
        scans = Scans([as_pixels(first.pixels)], as_pixel_size(first.pixel_size_nm), (source,))
        return scans, [Frame(t.pixels, t.pixel_size_nm, f"frame {t.index}") for t in truths], truths
    stack = read_frames(settings.input)
    training = max(1, min(MOST_TRAINING_FRAMES, len(stack) // 2))
    scans = read_scans([settings.input], which=slice(training))
    rest = list(stack[training:]) or list(stack)  # a single scan is streamed again
    return scans, [rest[i % len(rest)] for i in range(settings.frames)], []


def _train(scans: Scans, settings: DemoSettings, model: Path) -> Trained:
    how = Settings(encoder=settings.encoder, seed=settings.seed, steps=settings.steps)
    fitted = fit_scans(scans, how, progress=Progress(settings.steps))
    fitted.model.save(model)
    return fitted.trained


@contextmanager
def _service(model: Path, stride: int) -> Iterator[tuple[str, str]]:
    """Run `shiftvae serve` in a separate process on free loopback ports; yields its ingest and results endpoints."""
    anywhere = "tcp://127.0.0.1:0"
    command = [sys.executable, "-m", "shiftvae_rt", "serve", str(model), "--stride", str(stride), "--json"]
    command += ["--ingest", anywhere, "--results", anywhere, "--control", "off", "--http", "off"]
    process = subprocess.Popen(  # noqa: S603 - our own command
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        ready = process.stdout.readline() if process.stdout else ""
        if not ready:
            said = process.stderr.read() if process.stderr else ""
            raise ServiceError(f"the service did not start: {said.strip() or 'it said nothing'}")
        endpoints = json.loads(ready)
        yield endpoints["ingest"], endpoints["results"]
    finally:
        process.terminate()
        try:
            process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def _stream(
    stream: list[Frame], settings: DemoSettings, ingest: str, results: str
) -> tuple[list[Result], dict[str, int]]:
    """Send the frames row by row as a microscope would; returns all results, and the counters of the frames."""
    collected: list[Result] = []
    over = threading.Event()

    def read(subscriber: Subscriber) -> None:
        while (result := subscriber.receive(0.3)) is not None or not over.is_set():
            if result is not None:
                collected.append(result)

    with Subscriber(results) as subscriber:
        subscriber.wait_ready()
        reader = threading.Thread(target=read, args=(subscriber,))
        with Producer(ingest, stream="demo") as producer:
            producer.wait_ready()
            reader.start()
            try:
                for _ in replay(producer, enumerate(stream), Pace(settings.frames_per_s, settings.rows)):
                    pass
                producer.wait()
            finally:
                over.set()
                reader.join()
        counters = producer.counters
    return collected, {name: getattr(counters, name) for name in COUNTED}


def _scores(result: Result, truth: SimulatedFrame, trained: Trained) -> dict[str, Any]:
    latent_map = result.latent_map
    y, x = latent_map.centre_y_px, latent_map.centre_x_px
    order = truth.displacement_px[np.ix_(np.rint(y).astype(int), np.rint(x).astype(int))]
    content = [i for i, name in enumerate(latent_map.names) if name.startswith("z") and latent_map.varies[i]]
    r2, linear = order_parameter_r2(latent_map.mean[content].astype(float), order)
    shift = score_shift(latent_map.mean[:2].astype(float), truth.shift_px(y, x), trained.lattice.vectors)
    return {"r2": r2, "linear_r2": linear, "shift_rms_px": list(shift.rms_px), "circ": list(shift.circ)}


def _mean_scores(scores: list[dict[str, Any]]) -> dict[str, Any]:
    """Means of the scores over the streamed frames."""
    return {name: np.round(np.mean([s[name] for s in scores], axis=0), 4).tolist() for name in scores[0]}
