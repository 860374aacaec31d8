"""Train one model for every combination of some settings, find the best, and compare the seeds.

What stands after -- are scans and options of `shiftvae train`; --vary gives the options that differ from run to run.
The same command goes on after an interruption, and trains what is new in --vary.

The folder gets a table of all runs, the best model, and what its seeds disagree on.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from shiftvae_rt.archive.packages import need_distributed
from shiftvae_rt.archive.run import absolute
from shiftvae_rt.commands.archive import add_dask
from shiftvae_rt.commands.argument_parser import ArgumentParser
from shiftvae_rt.commands.text import counted, described, say
from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_rt.errors import DataFileError, FrameError, TrainingError
from shiftvae_rt.files import read_frames, write_latent_map
from shiftvae_rt.frame import Frame
from shiftvae_rt.model.model_file import ModelFile
from shiftvae_rt.output_file import write_whole

from ..sweeping.choice import choose_best, row_of, table_of
from ..sweeping.engines import Outcome, train_in_processes, train_on_dask
from ..sweeping.runs import VARIED, Run, make_runs
from ..sweeping.spread import SeedSpread, comparable, spread_between
from . import train
from .arguments import positive

__all__ = ["add_arguments", "run"]

#: Output of the trainings until each run has its own.
NOWHERE = "of-the-sweep.svae"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `shiftvae sweep`."""
    parser.add_argument("-o", "--output", required=True, metavar="DIR", type=Path, help="folder of the sweep")
    parser.add_argument(
        "--vary",
        action="append",
        nargs="+",
        required=True,
        metavar=("OPTION", "VALUE"),
        help="an option of train without its dashes, and its values, such as --vary seed 0 1 2; may be given several "
        f"times, for all combinations; OPTION is one of {', '.join(VARIED)}",
    )
    parser.add_argument(
        "--processes", type=positive, default=1, metavar="N", help="trainings at a time on this machine (default 1)"
    )
    add_dask(parser, "train on Dask")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    parser.add_argument("train", nargs="+", metavar="SCAN", help="after --: scans and options of shiftvae train")


def run(arguments: argparse.Namespace) -> None:
    """Train what is not done, write table, best model and spread, say what came out."""
    if arguments.dask is not None:
        need_distributed()
    given = _options_of_train(arguments.train)
    paths = {scan: absolute(scan) for scan in given.scans}
    folder = arguments.output.absolute()
    runs = make_runs(folder / "runs", [paths.get(word, word) for word in arguments.train], arguments.vary)
    for each in runs:
        _options_of_train(each.words)
    _make(folder / "runs")
    outcomes: dict[str, Outcome] = {each.name: done for each in runs if (done := each.summary()) is not None}
    todo = [each for each in runs if each.name not in outcomes]
    say(f"{counted(len(runs), 'run')}, {len(outcomes)} done already")
    trained = train_on_dask(todo, arguments.dask) if arguments.dask else train_in_processes(todo, arguments.processes)
    for each, outcome in trained if todo else ():
        if isinstance(outcome, dict):
            each.keep(outcome)
        outcomes[each.name] = outcome
        say(f"{len(outcomes)} of {len(runs)}, {each.name}: {_told(outcome)}")
    rows = [row_of(each, outcomes[each.name]) for each in runs]
    summary = _concluded(folder, runs, rows, given)
    print(json.dumps(summary, indent=1) if arguments.json else _readable(summary, folder))
    if failed := [row for row in rows if row["error"]]:
        raise TrainingError(
            f"{len(failed)} of {counted(len(rows), 'run')} failed, the first {failed[0]['run']}: {failed[0]['error']}; "
            "the same command tries them again"
        )


def _options_of_train(words: Sequence[str]) -> argparse.Namespace:
    """Parse words for `shiftvae train`; wrong ones leave with code 2, as they do there.

    Raises
    ------
    TrainingError
        for an option that is the sweep's own.
    """
    parser = ArgumentParser(prog="shiftvae train")
    train.add_arguments(parser)
    found = parser.parse_args(["-o", NOWHERE, *words])
    if found.output != NOWHERE or found.checkpoint is not None:
        raise TrainingError("a sweep names the model and the checkpoint of each run: leave out -o and --checkpoint")
    if found.force or found.json:
        raise TrainingError("--force and --json after -- would be of every run: leave them out, or give --json before")
    return found


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataFileError(f"cannot make the folder {folder}: {error.strerror or error}") from error


def _concluded(
    folder: Path, runs: Sequence[Run], rows: Sequence[dict[str, Any]], given: argparse.Namespace
) -> dict[str, Any]:
    """Write table, best model and spread into the folder; the summary, ready for JSON, which is written too."""
    write_whole(folder / "table.csv", table_of(rows))
    best, reason = choose_best(rows)
    summary: dict[str, Any] = {"runs": rows, "best": None, "reason": reason, "seeds": [], "spread": []}
    if best is not None:
        summary["best"] = runs[best].name
        models = {i: ModelFile.read(runs[i].model) for i, row in enumerate(rows) if not row["error"]}
        for i, model in models.items():
            if model.manifest.data != models[best].manifest.data:
                raise DataFileError(
                    f"{runs[i].name} was trained on other frames than {runs[best].name}: the scan has changed since; "
                    "name another folder"
                )
        write_whole(folder / "best.svae", runs[best].model.read_bytes())
        seeds = [best, *_other_seeds(best, rows, runs, models)]
        if len(seeds) > 1:
            summary["seeds"] = [int(rows[i]["seed"]) for i in seeds]
            spread = _spread([models[i] for i in seeds], given)
            summary["spread"] = spread.table()
            write_latent_map(folder / "spread.npz", spread.map)
    write_whole(folder / "sweep.json", msgspec.json.format(msgspec.json.encode(summary)))
    return summary


def _other_seeds(
    best: int, rows: Sequence[dict[str, Any]], runs: Sequence[Run], models: dict[int, ModelFile]
) -> Iterator[int]:
    """Runs that differ from the best in nothing but the seed, and whose maps compare."""

    def others(i: int) -> dict[str, str]:
        return {name: value for name, value in runs[i].values.items() if name != "seed"}

    for i, model in models.items():
        if i != best and not rows[i]["error"] and others(i) == others(best):
            if comparable(models[best].manifest, model.manifest):
                yield i
            else:
                say(f"{runs[i].name} has other windows or latents than the best, or grains: left out of the spread")


def _spread(models: Sequence[ModelFile], given: argparse.Namespace) -> SeedSpread:
    """Spread on the first frame of the training scan that the best model can map."""
    mapper = LatentMapper(models[0])
    for scan in given.scans:
        for frame in read_frames(scan, dimensions=models[0].manifest.dimensions)[given.frames]:
            if _can_map(mapper, frame):
                return spread_between(models, frame)
    raise FrameError("no frame of the scans can be mapped")


def _can_map(mapper: LatentMapper, frame: Frame) -> bool:
    try:
        mapper.map(frame.pixels, pixel_size_nm=frame.pixel_size_nm)
    except FrameError:
        return False
    return True


def _told(outcome: Outcome) -> str:
    if isinstance(outcome, str):
        return outcome
    score = outcome["content_score"]
    content = "" if score is None else f"content score {score['network']}, "
    return f"{content}held-out loss {outcome['held_out_loss']}, {outcome['cpu_s']} s CPU"


def _readable(summary: dict[str, Any], folder: Path) -> str:
    found = [("best", f"{summary['best']}: {summary['reason']}" if summary["best"] else summary["reason"])]
    if summary["spread"]:
        each = [
            f"{row['latent']} {row['spread_between_seeds']}{row['unit'] and ' ' + row['unit']} "
            f"(posterior {row['posterior_sd']})"
            for row in summary["spread"]
        ]
        found.append(("spread", f"between {len(summary['seeds'])} seeds: {', '.join(each)}"))
    found.append(("files", "table.csv, sweep.json, best.svae" + (", spread.npz" if summary["spread"] else "")))
    return f"{folder}: {counted(len(summary['runs']), 'run')}\n{described(found, column=12, indent=2)}"
