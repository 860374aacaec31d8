"""Blocks as tasks on the workers of a Dask cluster. Needs the package distributed.

Blocks are submitted a few at a time, never as one graph, so that scheduler and client stay small however long a movie
is. A task returns a number; the maps go from the workers into the archive. Each worker makes one mapper, from the bytes
of the model file, and opens the frames once; a worker of several threads makes one of each for every thread.
"""

from __future__ import annotations

import copy
import logging
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import dask
from distributed import Client, LocalCluster, as_completed, get_worker
from distributed.diagnostics.plugin import WorkerPlugin

from ..errors import ServiceError, ShiftVaeError, few
from .blocks import map_block
from .layout import Archive, open_archive

if TYPE_CHECKING:
    from ..encode.mapper import LatentMapper
    from ..files.recording import FrameStack
    from .run import ArchiveJob

__all__ = ["connected", "map_on_workers"]

#: Tasks in flight for each thread of the workers.
AHEAD = 3
#: Settings of workers that we start: no profile of their threads 100 times a second, and slower ticks of their loops.
QUIET = {"distributed.worker.profile.enabled": False, "distributed.admin.tick.interval": "500ms"}
#: Tries of a task after an error that is none of ours; a task whose workers die is tried three times by Dask.
RETRIES = 2
#: Longest time until a scheduler answers, s.
CONNECT_S = 10


class _Tools(WorkerPlugin):  # type: ignore[misc]
    """A mapper, the frames and the archive on a worker; pickled, the mapper is the bytes of its model file."""

    def __init__(self, job: ArchiveJob) -> None:
        self.name = f"shiftvae-{secrets.token_hex(4)}"
        self._job = job
        self._free: list[tuple[LatentMapper, FrameStack, Archive]] = []

    def setup(self, worker: Any) -> None:
        """Open everything before the first task."""
        del worker
        self._free.append((self._job.mapper, self._job.open_frames(), open_archive(self._job.output)))

    @contextmanager
    def taken(self) -> Iterator[tuple[LatentMapper, FrameStack, Archive]]:
        """Lend a set of tools to one thread."""
        try:
            tools = self._free.pop()
        except IndexError:
            tools = copy.copy(self._job.mapper), self._job.open_frames(), open_archive(self._job.output)
        try:
            yield tools
        finally:
            self._free.append(tools)


def _map_block(name: str, block: range) -> int:
    """Map a block on this worker; returns the number of frames that stay open."""
    with get_worker().plugins[name].taken() as (mapper, stack, archive):
        still_open: int = map_block(mapper, stack, archive, block)
        return still_open


@contextmanager
def connected(where: str) -> Iterator[Client]:
    """Start ``local:N`` workers of one thread, or connect to the scheduler at ``tcp://HOST:PORT``.

    Raises
    ------
    ServiceError
        if no scheduler answers there.
    """
    if where.startswith("local:"):
        workers = int(where.partition(":")[2])
        with (
            dask.config.set(QUIET),
            LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                dashboard_address="127.0.0.1:0",  # None would take port 8787
                memory_limit=None,
                silence_logs=logging.CRITICAL,
            ) as cluster,
            Client(cluster) as client,
        ):
            yield client
        return
    try:
        client = Client(where, timeout=CONNECT_S)
    except (OSError, TimeoutError) as error:
        raise ServiceError(
            f"no Dask scheduler answers at {where} within {CONNECT_S} s: start one (dask scheduler), or check address "
            "and firewall"
        ) from error
    with client:
        yield client


def map_on_workers(
    job: ArchiveJob, client: Client, blocks: Sequence[range], progress: Callable[[int, int], None] | None
) -> None:
    """Map `blocks` on the workers of `client`; blocks that fail for good stay open.

    Raises
    ------
    DataFileError
        if a block cannot be written: no more are begun.
    ServiceError
        if the connection to the scheduler is lost, or tasks fail for a reason that is none of a frame's.
    """
    tools, lost = _Tools(job), []
    try:
        _prepare(client, tools)
        for future, block in _finished(client, tools.name, blocks, progress):
            if future.status == "error":
                error = future.exception()
                if isinstance(error, ShiftVaeError):
                    raise error
                lost.append(f"frames {block.start} to {block.stop - 1}: {str(error) or type(error).__name__}")
            elif future.status != "finished":
                raise _disconnected(len(blocks))
        client.unregister_worker_plugin(tools.name)
    except ShiftVaeError:
        raise
    except (CancelledError, OSError, TimeoutError) as error:  # among them Dask's CommClosedError
        raise _disconnected(len(blocks)) from error
    if lost:
        raise ServiceError(f"{len(lost)} of {len(blocks)} blocks failed on the workers and are open: {few(lost)}")


def _prepare(client: Client, tools: _Tools) -> None:
    """Make the tools on every worker; ServiceError with the reason if one cannot."""
    try:
        client.register_plugin(tools)
    except (OSError, TimeoutError, ShiftVaeError):
        raise
    except Exception as error:  # Dask makes plain exceptions of those of workers
        raise ServiceError(
            f"a worker cannot prepare itself ({error}): expected this version of shiftvae-rt there, and movie and "
            "archive under the same path as here"
        ) from error


def _finished(
    client: Client, name: str, blocks: Sequence[range], progress: Callable[[int, int], None] | None
) -> Iterator[tuple[Any, range]]:
    """Submit all blocks, a few at a time, and give each with its future when that has an outcome."""
    waiting, total, done, in_flight = iter(blocks), sum(map(len, blocks)), 0, 0
    running = as_completed()
    try:
        threads, counted = _threads(client), time.monotonic()
        in_flight += _submit(client, running, waiting, name, AHEAD * threads)
        for future in running:
            block = _block_of(future)
            yield future, block
            in_flight -= 1
            done += len(block)
            if progress is not None:
                progress(done, total)
            if time.monotonic() - counted > 1:  # workers come and go
                threads, counted = _threads(client), time.monotonic()
            in_flight += _submit(client, running, waiting, name, AHEAD * threads - in_flight)
    finally:
        running.clear()


def _threads(client: Client) -> int:
    return max(1, int(sum(client.nthreads().values())))


def _submit(client: Client, running: Any, waiting: Iterator[range], name: str, count: int) -> int:
    """Submit the next blocks, at most `count`; returns their number."""
    submitted = 0
    while submitted < count and (block := next(waiting, None)) is not None:
        key = f"{name}-{block.start}-{block.stop}"
        running.add(client.submit(_map_block, name, block, key=key, retries=RETRIES, pure=False))
        submitted += 1
    return submitted


def _block_of(future: Any) -> range:
    first, last = future.key.split("-")[-2:]
    return range(int(first), int(last))


def _disconnected(blocks: int) -> ServiceError:
    return ServiceError(
        f"the connection to the Dask scheduler was lost while {blocks} blocks were mapped: what is done is kept, "
        "continue with --resume"
    )
