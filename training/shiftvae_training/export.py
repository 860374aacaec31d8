"""Export of a trained model to a model file: graphs, test vectors, manifest, report, checked against torch."""

from __future__ import annotations

import datetime as dt
import os
import platform
import subprocess
from dataclasses import astuple
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
import torch
from numpy.typing import NDArray

import shiftvae_rt
from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_rt.errors import TrainingError
from shiftvae_rt.fields import turn_between
from shiftvae_rt.frame import PixelSize, as_pixel_size, read_only
from shiftvae_rt.kernels.windows import window_statistics
from shiftvae_rt.model.manifest import (
    DataSource,
    Grain,
    Intensity,
    Latent,
    Manifest,
    Training,
)
from shiftvae_rt.model.model_file import ModelFile, pack_model_file
from shiftvae_rt.output_file import write_whole

from .finishing.domain_fit import fit_domain, measure_grains
from .fitting.training_state import pack_state
from .golden import TORCH_TOLERANCE, WINDOW_TOLERANCE, Parity, best_golden, golden_frames
from .graphs.decoder_graph import decoder_graph
from .graphs.encoder_graph import encoder_graph
from .graphs.runtime_graphs import runtime_graphs
from .train import Trained

__all__ = ["IN_MEMORY", "export_model", "made_by", "make_model_file", "write_with_report"]

#: Name of a model file that is only in memory.
IN_MEMORY = "model in memory"
STRIDES = (1, 2, 4, 8)


def export_model(
    path: str | os.PathLike[str],
    trained: Trained,
    frames: list[NDArray[Any]],
    *,
    sources: tuple[DataSource, ...],
    pixel_size_nm: PixelSize,
) -> Parity:
    """Write the model file of `make_model_file` with `write_with_report`; returns its parity with torch."""
    model, parity = make_model_file(trained, frames, sources=sources, pixel_size_nm=pixel_size_nm)
    write_with_report(path, model)
    return parity


def write_with_report(path: str | os.PathLike[str], model: ModelFile) -> None:
    """Write a model file at `path` and its report, if it has one, beside it as .html.

    Raises
    ------
    DataFileError
        if one of them cannot be written.
    """
    write_whole(Path(path), model.to_bytes())
    if model.report is not None:
        write_whole(Path(path).with_suffix(".html"), model.report)


def make_model_file(
    trained: Trained,
    frames: list[NDArray[Any]],
    *,
    sources: tuple[DataSource, ...],
    pixel_size_nm: PixelSize,
    report: bool = True,
) -> tuple[ModelFile, Parity]:
    """Model file of a trained model, in memory, and its parity with torch.

    Parameters
    ----------
    trained
        The model and its training.
    frames
        Raw ``(C, H, W)``: all training frames, or those on which a long training was prepared.
    sources, pixel_size_nm
        Provenance of the frames, and the edges ``(y, x)`` of their pixels, nm.
    report
        Whether the file holds a report.

    Raises
    ------
    TrainingError
        if the graphs differ from torch by more than 1e-4, or from window-by-window encoding by more than 1e-5, of a
        latent's spread.
    """
    frames = [read_only(frame) for frame in frames]
    model = trained.model.eval()
    weights = model.weights()
    graphs = {stride: encoder_graph(weights, stride, model.rounds) for stride in STRIDES}
    golden, parity = best_golden(model, trained.spread, graphs, golden_frames(frames, model.window))
    if not parity.share <= 1:  # also catches NaN
        raise TrainingError(
            f"the exported graph differs from torch by {parity.against_torch:.2g} (at most {TORCH_TOLERANCE:g}) and "
            f"from window-by-window encoding by {parity.against_windows:.2g} (at most {WINDOW_TOLERANCE:g}) of a "
            "latent's spread; nothing was written: train again with another seed, and report the scan"
        )
    members = {f"encoder_s{stride}.onnx": graph for stride, graph in graphs.items()}
    members |= runtime_graphs(weights, STRIDES, model.rounds)
    members |= {"decoder.onnx": decoder_graph(model), "golden.npz": golden.to_npz()}
    members |= {"training.npz": pack_state(model, trained.weights, trained.order, trained.history)}
    manifest = _manifest(trained, frames, sources, pixel_size_nm)
    mapper = LatentMapper(ModelFile.from_bytes(pack_model_file(manifest, members), IN_MEMORY))
    measured = {"domain": fit_domain(mapper, frames), "grains": measure_grains(mapper, frames)}
    manifest = msgspec.structs.replace(manifest, **measured)
    file = ModelFile.from_bytes(pack_model_file(manifest, members), IN_MEMORY)
    if report:
        from .report.report import report_stride, write_report  # matplotlib, for those who want a report

        mapper = LatentMapper(file, stride=report_stride(frames))
        members["report.html"] = write_report(trained, frames, mapper, parity=astuple(parity)).encode()
        file = ModelFile.from_bytes(pack_model_file(manifest, members), IN_MEMORY)
    return file, parity


def _manifest(
    trained: Trained, frames: list[NDArray[Any]], sources: tuple[DataSource, ...], pixel_size_nm: PixelSize
) -> Manifest:
    model, settings = trained.model, trained.settings
    latents = tuple(
        Latent(name=r.name, unit=r.unit, kind=r.kind, kl_nats=k, spread=s, period=r.period)
        for r, k, s in zip(model.reported, trained.kl_nats, trained.spread, strict=True)
    )
    lattice = tuple((float(y), float(x)) for y, x in model.weights().lattice)
    statistics = [window_statistics(frame, model.window, max(1, model.window[1] // 2)) for frame in frames[:16]]
    means, sds = (np.concatenate([s[i].ravel() for s in statistics]) for i in (0, 1))
    return Manifest(
        format="shiftvae-model-3",
        dimensions=1 if model.dimensions == 1 else 2,
        channels=len(model.channel_scale),
        window=model.window,
        strides=STRIDES,
        encoder=settings.encoder,
        latents=latents,
        lattice=lattice,
        grains=_grains(trained, lattice),
        superlattice=() if model.order is None else model.order.fractions(model.weights().lattice),
        intensity=Intensity(
            normalisation="zscore",
            channel_offset=(0.0,) * len(model.channel_scale),
            channel_scale=model.channel_scale,
            sd_floor=model.sd_floor,
        ),
        pixel_size_nm=as_pixel_size(pixel_size_nm),
        training=Training(
            seed=settings.seed,
            seconds=round(trained.seconds, 1),
            steps=trained.history[-1].step,
            windows=trained.windows,
            held_out_loss=trained.history[-1].loss,
            noise_sd=float(model.noise_sd),
            shift_prior="uniform over the cell"
            if lattice
            else f"nearly uniform within {model.weights().planar_reach_px:.3g} px",
            constraints=settings.constraints | {type(c).__name__: c.weight for c in settings.conditions},
            sd_scale={c.latent: round(c.scale, 4) for c in trained.coverage},
            choices=trained.choices,
            period_confidence=trained.lattice.confidence,
            period_reason=trained.lattice.reason,
            window_mean=(float(means.min()), float(means.max())),
            window_sd=(float(sds.min()), float(sds.max())),
            decoder=settings.decoder,
            likelihood=settings.likelihood,
            classes=model.classes,
            kl_shift=settings.kl_shift,
            kl_content=settings.kl_content,
            started_from=trained.started_from,
        ),
        imported=None,
        domain=None,
        data=sources,
        members={},
        **made_by(),
    )


def _grains(trained: Trained, lattice: tuple[tuple[float, float], ...]) -> tuple[Grain, ...]:
    """The lattices of all grains, if there are several."""
    cells = trained.model.weights().cells
    if cells is None or trained.grains is None:
        return ()
    found = []
    for number, ((ay, ax), (by, bx)) in enumerate(cells.tolist()):
        turn, mirrored = turn_between(lattice, cells[number])
        share = round(float(np.mean([np.mean(labels == number) for labels in trained.grains.labels])), 4)
        found.append(Grain(vectors=((ay, ax), (by, bx)), turn_deg=round(turn, 3), mirrored=mirrored, share=share))
    return tuple(found)


def made_by() -> dict[str, Any]:
    """The fields of a manifest that say what wrote it, and when."""
    return {
        "versions": {
            "shiftvae-rt": shiftvae_rt.__version__,
            "torch": str(torch.__version__),
            "onnx": onnx.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "git_commit": _git_commit(),
        "created": dt.datetime.now(dt.timezone.utc).isoformat(timespec="seconds"),
    }


def _git_commit() -> str:
    """Commit of a source checkout, empty for an installed package."""
    folder = Path(__file__).resolve().parents[2]
    if not (folder / ".git").exists():
        return ""
    command = ["git", "-C", str(folder), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603 - ours
    except (OSError, subprocess.CalledProcessError):
        return ""
