"""Map an archive of frames: block by block in this process, or as tasks on Dask; what is done stays done."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..encode.mapper import LatentMapper
from ..files import read_frames
from ..files.recording import FrameStack
from ..model.model_file import ModelFile
from .blocks import map_block
from .creation import create_archive
from .layout import DONE, FAILED, OPEN, OUT_OF_DOMAIN, Archive
from .packages import need_zarr

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["ArchiveJob", "ArchiveSummary", "map_archive", "run_job"]


@dataclass(frozen=True)
class ArchiveSummary:
    """Outcome of the frames of an archive, or of the part of it that a run was given.

    Attributes
    ----------
    done, out_of_domain, failed, open
        Numbers of frames: mapped; mapped, but unlike the training data; without a map, for a reason of their own; not
        mapped yet, or not readable.
    reasons
        ``frame: reason`` of the first frames that failed or are open.
    shape
        ``(latent, rows, cols)`` of a map, for signals ``(latent, cols)``.
    """

    done: int
    out_of_domain: int
    failed: int
    open: int
    reasons: tuple[str, ...]
    shape: tuple[int, ...]

    @property
    def frames(self) -> int:
        """Number of frames."""
        return self.done + self.out_of_domain + self.failed + self.open


@dataclass(frozen=True)
class ArchiveJob:
    """A job: what is mapped, with what, and into which archive.

    Attributes
    ----------
    mapper
        Encodes the frames; each worker makes one like it.
    frames
        File of the frames, as for `read_frames`. Workers on other machines must see it under the same path.
    output
        Folder that ends in ``.zspy``, or the URL of one.
    """

    mapper: LatentMapper
    frames: str
    output: str

    def open_frames(self) -> FrameStack:
        """Open the frames."""
        return read_frames(self.frames, dimensions=self.mapper.model.manifest.dimensions)


def map_archive(
    model: str | os.PathLike[str] | ModelFile,
    frames: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    stride: int,
    client: Client | None = None,
    part: tuple[int, int] = (0, 1),
) -> ArchiveSummary:
    """Map all frames of a file into an archive, or those that an earlier run left open.

    A frame that cannot be mapped is NaN, with a status and a reason. Memory does not grow with the number of frames.
    The bits do not depend on who maps which block, how often, or in which order.

    Parameters
    ----------
    model
        Path of a ``.svae`` file, or one already read.
    frames
        File of the frames, as for `read_frames`.
    output
        Folder that ends in ``.zspy``, or the URL of one that fsspec opens (``s3://...``). It is created, or continued
        if it holds maps of the same model, stride and frames.
    stride
        px between windows.
    client
        A ``distributed.Client``: blocks are tasks on its workers. None maps them here.
    part
        ``(i, n)``: every n-th block, from block i, 0 to n - 1. Processes with the n parts of an archive share the work.

    Returns
    -------
    ArchiveSummary
        Outcome of the frames of this part.

    Raises
    ------
    DataFileError
        if the frames cannot be read, if `output` holds something else, or cannot be written.
    ServiceError
        if the connection to the scheduler is lost.
    ModelFileError, WindowError, PixelSizeError
        as for `LatentMapper`.
    """
    need_zarr(str(output))
    job = ArchiveJob(LatentMapper(model, stride=stride), absolute(frames), absolute(output))
    archive = create_archive(job.output, job.mapper, job.open_frames(), resume=True)
    return run_job(job, archive, client=client, part=part)


def absolute(path: str | os.PathLike[str]) -> str:
    """Give the path from the root, which workers see too; a URL, and the name in ``FILE::NAME``, stay as they are."""
    text = os.fspath(path)
    return text if "://" in text else str(Path(text).absolute())


def run_job(
    job: ArchiveJob,
    archive: Archive,
    *,
    client: Client | None = None,
    part: tuple[int, int] = (0, 1),
    progress: Callable[[int, int], None] | None = None,
) -> ArchiveSummary:
    """Map the open blocks of a part of the archive.

    Parameters
    ----------
    job, archive
        The job, and its archive.
    client, part
        As for `map_archive`.
    progress
        Called with the number of frames that were mapped by this run, and of those that it will map.

    Raises
    ------
    DataFileError, ServiceError
        as for `map_archive`.
    """
    mine = archive.blocks()[part[0] :: part[1]]
    still_open = set(archive.open_blocks())
    todo = [block for block in mine if block in still_open]
    if client is None:
        _map_here(job, archive, todo, progress)
    elif todo:
        from .dask_engine import map_on_workers

        map_on_workers(job, client, todo, progress)
    return summarise(archive, mine)


def _map_here(
    job: ArchiveJob, archive: Archive, blocks: Sequence[range], progress: Callable[[int, int], None] | None
) -> None:
    stack, done, total = job.open_frames(), 0, sum(map(len, blocks))

    def count() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    for block in blocks:
        map_block(job.mapper, stack, archive, block, each=count)


def summarise(archive: Archive, blocks: Iterable[range]) -> ArchiveSummary:
    """Count the outcomes of the frames of some blocks."""
    statuses = archive.statuses()
    numbers = np.array([number for block in blocks for number in block], np.int64)
    mine = statuses[numbers]
    count = {status: int(np.count_nonzero(mine == status)) for status in (OPEN, DONE, OUT_OF_DOMAIN, FAILED)}
    without = [int(number) for number in numbers[(mine == FAILED) | (mine == OPEN)][:5]]
    reasons = [f"frame {number}: {archive.reason(number) or 'not mapped yet'}" for number in without]
    shape = tuple(archive.group["Experiments/latent mean/data"].shape[1:])
    return ArchiveSummary(count[DONE], count[OUT_OF_DOMAIN], count[FAILED], count[OPEN], tuple(reasons), shape)
