"""Options and flow of `shiftvae map` where its output is an archive (.zspy): resume, parts, Dask, check."""

from __future__ import annotations

import argparse
import re
import shutil
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DataFileError, FrameError, few
from . import say_encoding
from .progress import Progress
from .text import answer, counted, say

if TYPE_CHECKING:
    from ..archive.layout import Archive
    from ..archive.run import ArchiveSummary

__all__ = ["add_archive_options", "add_dask", "is_archive", "map_into_archive", "refuse_archive_options"]


def add_archive_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that need an output of the ending .zspy."""
    group = parser.add_argument_group("archives (OUT ends in .zspy)")
    group.add_argument("--resume", action="store_true", help="continue OUT: map the frames that are open")
    group.add_argument(
        "--part", type=_part, metavar="I/N", help="map every N-th block, from block I (0 to N-1); implies --resume"
    )
    add_dask(group, "map on Dask")
    group.add_argument(
        "--check",
        action="store_true",
        help="read OUT and compare it with its checksums; with --resume, map what is damaged",
    )
    group.add_argument("--half-std", action="store_true", help="store standard deviations as float16")
    group.add_argument("--fields", action="store_true", help="store displacement, strain and rotation too")


def add_dask(parser: argparse._ActionsContainer, what: str) -> None:
    """Add the option ``--dask``, which does `what`."""
    parser.add_argument(
        "--dask",
        type=_dask,
        metavar="WHERE",
        help=f"{what}: local:N starts N workers here, tcp://HOST:PORT is a scheduler that runs",
    )


def is_archive(output: str) -> bool:
    """Tell whether `output` is the name of an archive."""
    return output.rstrip("/").lower().endswith(".zspy")


def refuse_archive_options(arguments: argparse.Namespace) -> None:
    """Refuse the options of archives for an output that is none.

    Raises
    ------
    DataFileError
        if one of them was given.
    """
    given = [
        option
        for option, value in {
            "--resume": arguments.resume,
            "--part": arguments.part,
            "--dask": arguments.dask,
            "--check": arguments.check,
            "--half-std": arguments.half_std,
            "--fields": arguments.fields,
        }.items()
        if value
    ]
    if given:
        raise DataFileError(f"{given[0]} needs an output that ends in .zspy, got {arguments.output}: rename it")


def map_into_archive(arguments: argparse.Namespace) -> None:
    """Create the archive or open it, map what is open, and say what became of the frames.

    Raises
    ------
    DataFileError
        if frames stay open, or blocks are damaged.
    FrameError
        if no frame has a map; with --strict, if one has none.
    """
    from ..archive.creation import create_archive
    from ..archive.layout import is_there
    from ..archive.packages import need_distributed, need_zarr
    from ..archive.run import ArchiveJob, absolute, run_job, summarise
    from ..encode.mapper import LatentMapper

    need_zarr(arguments.output)
    if arguments.dask:
        need_distributed()
    if arguments.which is not None:
        raise DataFileError("an archive holds all frames: leave out --frame, or choose .npz, .hspy, .tif or .png")
    mapper = LatentMapper(
        arguments.model, stride=arguments.stride, threads=arguments.threads, provider=arguments.provider
    )
    say_encoding(mapper, arguments)
    job = ArchiveJob(mapper, absolute(arguments.frame), absolute(arguments.output))
    stack, part = job.open_frames(), arguments.part or (0, 1)
    resume = arguments.resume or arguments.check or arguments.part is not None
    if arguments.force and not resume:
        _remove(job.output)
    if arguments.check and not is_there(job.output):
        raise DataFileError(f"there is no archive {arguments.output} to check: give its name, or leave out --check")
    content = {"half_std": arguments.half_std, "fields": arguments.fields}
    if is_there(job.output):  # before workers are started
        create_archive(job.output, mapper, stack, **content, resume=resume)
    with _client(arguments.dask) as client:
        archive = create_archive(
            job.output, mapper, stack, half_std=arguments.half_std, fields=arguments.fields, resume=True
        )
        damaged, progress = _check(archive) if arguments.check else [], Progress()
        if arguments.check and not arguments.resume:
            summary = summarise(archive, archive.blocks()[part[0] :: part[1]])
        else:
            summary = run_job(job, archive, client=client, part=part, progress=progress)
    _report(arguments, mapper.names, summary, progress)
    if damaged and not arguments.resume:
        raise DataFileError(f"{counted(len(damaged), 'block')} were damaged and are open: map them again with --resume")


def _client(where: str | None):  # type: ignore[no-untyped-def]  # noqa: ANN202 - a context of distributed.Client or None
    if where is None:
        return nullcontext()
    from ..archive.dask_engine import connected

    return connected(where)


def _check(archive: Archive) -> list[range]:
    from ..archive.check import reopen_damaged

    damaged = reopen_damaged(archive, Progress())
    if damaged:
        say(f"damaged: {few([f'frames {block.start} to {block.stop - 1}' for block in damaged])}")
    return damaged


def _remove(output: str) -> None:
    """Remove an archive of maps; DataFileError if it is something else, or on a store that is no disk."""
    from ..archive.layout import open_archive

    if "://" in output:
        raise DataFileError(
            f"--force removes no {output}: remove it with the tools of its store, or choose another name"
        )
    if Path(output).exists():
        open_archive(output)
        shutil.rmtree(output)


def _report(arguments: argparse.Namespace, names: tuple[str, ...], summary: ArchiveSummary, progress: Progress) -> None:
    windows = " x ".join(map(str, summary.shape[1:]))
    outcomes = [f"{summary.done + summary.out_of_domain} with a map"]
    outcomes += [f"{summary.out_of_domain} of these out of domain"] if summary.out_of_domain else []
    outcomes += [f"{summary.failed} without"] if summary.failed else []
    outcomes += [f"{summary.open} open"] if summary.open else []
    answer(
        f"{arguments.output}: {counted(summary.frames, 'frame')}, {windows} windows each, latents {', '.join(names)}; "
        f"{', '.join(outcomes)}; {progress.seconds:.3g} s"
    )
    which = f"of {summary.frames} frames in {arguments.output}"
    if summary.open:
        raise DataFileError(f"{summary.open} {which} are open: {few(summary.reasons)}; map them with --resume")
    if summary.failed == summary.frames > 0 or (summary.failed and arguments.strict):
        raise FrameError(f"{summary.failed} {which} have no map and are NaN: {few(summary.reasons)}")
    if summary.failed:
        say(f"warning: {summary.failed} {which} have no map and are NaN: {few(summary.reasons)}")


def _part(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{1,6})/([1-9]\d{0,5})", text)
    if found is None or int(found[1]) >= int(found[2]):
        raise argparse.ArgumentTypeError(f"expected I/N with I from 0 to N-1, such as 0/8, got {text!r}")
    return int(found[1]), int(found[2])


def _dask(text: str) -> str:
    if not re.fullmatch(r"local:[1-9]\d{0,3}|(tcp|tls|ucx|ws|wss)://\S+", text):
        raise argparse.ArgumentTypeError(
            f"expected local:N or the address of a scheduler, tcp://HOST:PORT, got {text!r}"
        )
    return text
