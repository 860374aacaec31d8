"""Archives on Dask: the bits of one process, also when workers, client or scheduler are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from archive_support import FRAMES, arrays_of, digest, movie, write_movie

from shiftvae_rt import LatentMapper
from shiftvae_rt.archive import map_archive
from shiftvae_rt.archive.creation import create_archive
from shiftvae_rt.archive.layout import OPEN
from shiftvae_rt.archive.run import ArchiveJob, run_job
from shiftvae_rt.cli import main
from shiftvae_rt.errors import DataFileError, ServiceError

distributed = pytest.importorskip("distributed", reason="tasks on Dask need the extra [scale]")
from shiftvae_rt.archive.dask_engine import map_on_workers  # noqa: E402 - needs distributed

pytestmark = [
    pytest.mark.timeout(300),  # processes of Python are started, on a machine that may be busy
    pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no SIGKILL"),
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return write_movie(tmp_path_factory.mktemp("movie") / "movie.npy", movie())


@pytest.fixture(scope="module")
def whole(tmp_path_factory, source, tiny_model):
    output = tmp_path_factory.mktemp("whole") / "maps.zspy"
    map_archive(tiny_model, source, output, stride=4)
    return digest(output)


@pytest.fixture(scope="module")
def client():
    """Two worker processes."""
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", memory_limit=None, silence_logs=50
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def test_two_workers_and_one_of_two_threads_give_the_bits_of_one_process(tmp_path, source, tiny_model, whole, client):
    summary = map_archive(tiny_model, source, tmp_path / "two.zspy", stride=4, client=client)
    assert (summary.done, summary.open) == (FRAMES, 0)
    assert digest(tmp_path / "two.zspy") == whole
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=2, processes=False, dashboard_address="127.0.0.1:0", silence_logs=50
        ) as cluster,
        distributed.Client(cluster) as one,
    ):
        map_archive(tiny_model, source, tmp_path / "one.zspy", stride=4, client=one)
    assert digest(tmp_path / "one.zspy") == whole


def test_a_killed_worker_loses_nothing(tmp_path, source, tiny_model, whole, client):
    job = ArchiveJob(LatentMapper(tiny_model), str(source), str(tmp_path / "maps.zspy"))
    archive = create_archive(job.output, job.mapper, job.open_frames())
    pids = set(client.run(os.getpid).values())
    killed = []

    def kill_one(done: int, total: int) -> None:
        if done >= 6 and not killed:
            killed.append(pids.pop())
            os.kill(killed[0], signal.SIGKILL)

    summary = run_job(job, archive, client=client, progress=kill_one)
    assert killed
    assert summary.done == FRAMES
    assert digest(tmp_path / "maps.zspy") == whole


def test_a_worker_that_does_not_see_the_movie_says_so(tmp_path, source, tiny_model, client):
    job = ArchiveJob(LatentMapper(tiny_model), str(source), str(tmp_path / "maps.zspy"))
    archive = create_archive(job.output, job.mapper, job.open_frames())
    elsewhere = ArchiveJob(job.mapper, str(tmp_path / "elsewhere.npy"), job.output)
    with pytest.raises((ServiceError, DataFileError), match=r"elsewhere\.npy"):
        map_on_workers(elsewhere, client, archive.blocks(), None)
    assert len(archive.open_blocks()) == len(archive.blocks())


_KILLED = """
import os, signal, sys
from shiftvae_rt.commands import progress
from shiftvae_rt.cli import main
progress.Progress.__call__ = lambda self, done, total: done >= 6 and os.kill(os.getpid(), signal.SIGKILL)
if __name__ == "__main__":
    main(sys.argv[1:])
"""


def test_client_and_scheduler_killed_are_continued_without_them(tmp_path, source, tiny_model, whole):
    (tmp_path / "killed.py").write_text(_KILLED)
    words = ["map", str(tiny_model), str(source), "-o", str(tmp_path / "maps.zspy")]
    command = [sys.executable, str(tmp_path / "killed.py"), *words, "--dask", "local:1"]
    killed = subprocess.run(command, timeout=100, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert killed.returncode == -signal.SIGKILL
    statuses = arrays_of(tmp_path / "maps.zspy")["status"]
    assert 6 <= (statuses != OPEN).sum() < FRAMES
    assert main([*words, "--resume"]) == 0
    assert digest(tmp_path / "maps.zspy") == whole


def test_a_scheduler_that_does_not_answer_is_named_and_nothing_is_begun(
    tmp_path, source, tiny_model, capsys, monkeypatch
):
    monkeypatch.setattr("shiftvae_rt.archive.dask_engine.CONNECT_S", 0.2)
    words = ["map", str(tiny_model), str(source), "-o", str(tmp_path / "maps.zspy"), "--dask", "tcp://127.0.0.1:9"]
    assert main(words) == 1
    assert "tcp://127.0.0.1:9" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_scheduler_that_goes_away_ends_the_run_and_what_was_done_is_kept(tmp_path, source, tiny_model, whole):
    scheduler = subprocess.Popen(
        [sys.executable, "-m", "distributed.cli.dask_scheduler", "--port", "0", "--host", "127.0.0.1", "--no-dashboard",
         "--scheduler-file", str(tmp_path / "scheduler.json")],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    worker = subprocess.Popen(
        [sys.executable, "-m", "distributed.cli.dask_worker", "--scheduler-file", str(tmp_path / "scheduler.json"),
         "--nthreads", "1", "--no-dashboard", "--death-timeout", "90", "--local-directory", str(tmp_path / "work")],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    job = ArchiveJob(LatentMapper(tiny_model), str(source), str(tmp_path / "maps.zspy"))
    archive = create_archive(job.output, job.mapper, job.open_frames())
    try:
        with distributed.Client(scheduler_file=str(tmp_path / "scheduler.json"), timeout=90) as client:
            client.wait_for_workers(1, timeout=90)
            with pytest.raises(ServiceError, match="scheduler was lost"):
                run_job(job, archive, client=client, progress=lambda done, total: scheduler.kill())
    finally:
        for process in (worker, scheduler):
            process.kill()
            process.wait(timeout=20)
    assert map_archive(tiny_model, source, job.output, stride=4).open == 0
    assert digest(tmp_path / "maps.zspy") == whole
