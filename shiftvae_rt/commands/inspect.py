"""Verify a model file, with every check that loading it makes, and describe it."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from ..errors import ModelFileError
from ..fields import turn_in_words
from ..frame import pixel_size_text
from ..output_file import try_output, write_whole
from . import add_force
from .text import KEPT, described

if TYPE_CHECKING:
    from ..encode.mapper import LatentMapper
    from ..model.manifest import Grain

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `shiftvae inspect`."""
    parser.add_argument("model", metavar="MODEL", help="model file (.svae)")
    parser.add_argument("--json", action="store_true", help="print the manifest as JSON")
    parser.add_argument("--report", metavar="OUT.html", help="file for the training report")
    add_force(parser)


def run(arguments: argparse.Namespace) -> None:
    """Load with all checks, run the test frame, and say what the model is."""
    from ..encode.mapper import LatentMapper

    if arguments.report:
        try_output(arguments.report, force=arguments.force)
    mapper = LatentMapper(arguments.model)
    if arguments.report:
        _write_report(mapper, arguments.report)
    if arguments.json:
        manifest: dict[str, Any] = json.loads(mapper.model.manifest.to_json())
        found = {"path": str(mapper.model.path), "sha256": mapper.model.sha256, "checked": True}
        print(json.dumps({**found, **manifest}, indent=1))
        return
    print(described(_summary(mapper), column=14))


def _write_report(mapper: LatentMapper, path: str) -> None:
    report = mapper.model.report
    if report is None:
        raise ModelFileError(f"{mapper.model.path} holds no report: it was exported without one")
    write_whole(path, report)


def _grains(grains: tuple[Grain, ...]) -> list[tuple[str, str]]:
    """One line for each grain of a model with several."""
    lines = []
    for number, grain in enumerate(grains):
        vectors = ", ".join(f"({y:.2f}, {x:.2f})" for y, x in grain.vectors)
        how = turn_in_words(grain.turn_deg, mirrored=grain.mirrored)
        against = f", {how} against grain 0" if number else ""
        lines.append((f"grain {number}", f"{vectors} px{against}, {100 * grain.share:.0f} % of the training frames"))
    return lines


def _summary(mapper: LatentMapper) -> list[tuple[str, str]]:
    model, manifest = mapper.model, mapper.model.manifest
    height, width = manifest.window
    window = f"{width} px" if manifest.dimensions == 1 else f"{height} x {width} px"
    channels = f", {manifest.channels} channels" if manifest.channels > 1 else ""
    training = manifest.training
    strides = ", ".join(map(str, manifest.strides))
    vectors = ", ".join(f"({y:.2f}, {x:.2f})" for y, x in manifest.lattice)
    sure = f", confidence {training.period_confidence:.2f}" if training else ""
    shifts = [latent.name for latent in manifest.latents if latent.kind == "shift"]
    lattice = f"{vectors} px (y, x){sure}" if vectors else f"none: {'planar' if shifts else 'no'} shift"
    lines = [
        ("model", f"{model.path} ({sum(member.size for member in manifest.members.values()) / 1e6:.2f} MB)"),
        ("sha256", model.sha256),
        ("input", f"{manifest.dimensions}D{channels}, window {window}, strides {strides}"),
        ("pixel size", pixel_size_text(manifest.pixel_size_nm)),
        ("lattice", lattice),
        *_grains(manifest.grains),
        ("encoder", manifest.encoder),
        ("route", mapper.route.description),
    ]
    for latent, varies in zip(manifest.latents, manifest.varies, strict=True):
        use = f"spread {latent.spread:.3g} {latent.unit}".rstrip() if varies else "not used: no variation found"
        lines.append((f"latent {latent.name}", f"{latent.kind}, {use}, information {latent.kl_nats:.2f} nats"))
    if manifest.domain is not None:
        strain, out = 100 * manifest.domain.most_strain, 100 * manifest.domain.most_windows_out
        lines.append(("limits", f"strain up to {strain:.1f} %, up to {out:.0f} % of windows unlike the training data"))
    for source in manifest.data:
        shape = " x ".join(map(str, source.shape))
        verb = "trained on" if training else "tried on"
        lines.append((verb, f"{source.name}, {source.frames} frame(s) of {shape} {source.dtype}"))
    if training:
        effort = f"{training.seconds:.0f} s, {training.steps} steps, {training.windows} windows, seed {training.seed}"
        lines.append(("training", effort))
        lines.append(("for experts", f"held-out loss {training.held_out_loss:.4g} nats a window"))
    if imported := manifest.imported:
        priors = "".join(f", {name} prior {prior:g}" for name, prior in imported.priors.items())
        lines.append(("imported", f"{imported.package} weights {imported.weights}: {imported.network}{priors}"))
        lines.append(("intensity", imported.scaling))
    versions = ", ".join(f"{name}{KEPT}{version}" for name, version in sorted(manifest.versions.items()))
    commit = f"commit {manifest.git_commit[:10]}" if manifest.git_commit else ""
    lines.append(("made", ", ".join(part for part in (manifest.created, versions, commit) if part)))
    lines.append(("checks", "hashes, graphs and test frame: passed"))
    return lines
