"""Engines that train the runs of a sweep: processes of this machine, or the workers of a Dask cluster.

Either way a run is a process of its own, `shiftvae train`: one that dies takes no other with it, and its checkpoint
lets the next try go on.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any, TypeAlias

import msgspec

from shiftvae_rt.errors import ServiceError

from .runs import Run

__all__ = ["Outcome", "train_in_processes", "train_on_dask"]

#: Summary of a training as JSON gives it, or the reason why there is none.
Outcome: TypeAlias = dict[str, Any] | str


class _Processes:
    """The processes that run now; `stop` ends them and lets no other begin."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[str]] = set()
        self._stopped = False

    def train(self, command: Sequence[str]) -> Outcome:
        """Run `shiftvae` with the words of `command` to its end."""
        if self._stopped:
            return "stopped"
        process = subprocess.Popen(  # noqa: S603 - this Python, with words that the parser of train has accepted
            [sys.executable, "-m", "shiftvae_training", *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={key: value for key, value in os.environ.items() if key not in ("RANK", "WORLD_SIZE")},
            start_new_session=True,  # Ctrl-C would end the training early, with a model of fewer steps
        )
        self._running.add(process)
        try:
            said, complaint = process.communicate()
        finally:
            process.kill()
            self._running.discard(process)
        if process.returncode == 0:
            summary: dict[str, Any] = msgspec.json.decode(said)
            return summary
        last = (complaint.strip().splitlines() or ["it said nothing"])[-1]
        return f"{last.removeprefix('shiftvae: error: ')} (exit code {process.returncode})"

    def stop(self) -> None:
        self._stopped = True
        for process in list(self._running):
            process.kill()


def train_in_processes(runs: Sequence[Run], count: int) -> Iterator[tuple[Run, Outcome]]:
    """Train runs, `count` at a time, and give each with its outcome when it ends; closed early, it ends them all."""
    processes = _Processes()
    with ThreadPoolExecutor(count) as pool:
        try:
            waiting = {pool.submit(processes.train, run.command): run for run in runs}
            for future in as_completed(waiting):
                yield waiting[future], future.result()
        finally:
            processes.stop()


def _train_here(command: Sequence[str]) -> Outcome:
    return _Processes().train(command)


def train_on_dask(runs: Sequence[Run], where: str) -> Iterator[tuple[Run, Outcome]]:
    """Train runs on workers of Dask, one for each of their threads, and give each with its outcome when it ends.

    Parameters
    ----------
    runs
        The runs; workers must see scans and folder under the same paths as here.
    where
        ``local:N``, or the address of a scheduler.

    Raises
    ------
    ServiceError
        if no scheduler answers, or the connection to it is lost.
    """
    from distributed import as_completed as dask_as_completed

    from shiftvae_rt.archive.dask_engine import connected

    with connected(where) as client:
        waiting = {client.submit(_train_here, run.command, pure=False, retries=2): run for run in runs}
        for future in dask_as_completed(list(waiting)):
            if future.status == "cancelled":
                raise ServiceError(
                    "the connection to the Dask scheduler was lost: finished runs are kept, give the same command again"
                )
            yield waiting[future], str(future.exception()) if future.status == "error" else future.result()
