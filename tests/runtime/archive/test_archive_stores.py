"""Movies and archives in stores that fsspec opens: in memory, and on an S3 server of this machine, by moto."""

from __future__ import annotations

import gc
import secrets
import signal
import subprocess
import sys

import numpy as np
import pytest
import zarr
from archive_support import FRAMES, digest, movie, write_movie

from shiftvae_rt import map_archive, read_frames
from shiftvae_rt.cli import main
from shiftvae_rt.errors import DataFileError


@pytest.fixture
def movie_and_maps(tmp_path, tiny_model):
    """A movie on this disk, and the digest of its maps."""
    source = write_movie(tmp_path / "movie.zarr", movie(), chunk=4)
    map_archive(tiny_model, source, tmp_path / "whole.zspy", stride=4)
    return source, tmp_path / "whole.zspy"


def test_urls_are_read_and_written_like_folders(tiny_model, movie_and_maps, capsys):
    source, whole = movie_and_maps
    url, output = "memory://archives/movie.zarr", "memory://archives/maps.zspy"
    zarr.create_array(url, data=zarr.open_array(str(source))[:], chunks=(4, 32, 40))
    assert map_archive(tiny_model, url, output, stride=4, part=(0, 2)).open == 0
    words = ["map", str(tiny_model), url, "-o", output]
    assert main(words) == 1
    assert "--resume" in capsys.readouterr().err
    assert main([*words, "--resume"]) == 0
    assert main([*words, "--check"]) == 0
    assert digest(output) == digest(whole)
    assert main([*words, "--force"]) == 1
    assert "its store" in capsys.readouterr().err


def test_only_zarr_folders_have_urls():
    with pytest.raises(DataFileError, match=r"\.zspy or \.zarr"):
        read_frames("s3://bucket/movie.tif")
    with pytest.raises(DataFileError, match=r"none\.zarr"):
        read_frames("memory://archives/none.zarr")


def s3(test):
    """Mark a test with many requests to a server in Python, whose client warns of its open connections."""
    return pytest.mark.timeout(300)(pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")(test))


@pytest.fixture
def bucket(monkeypatch):
    """The URL of an empty bucket on an S3 server of this machine."""
    s3fs = pytest.importorskip("s3fs", reason="S3 needs s3fs, of the extra [test]")
    server = pytest.importorskip("moto.server", reason="a local S3 needs moto[server], of the extra [test]")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    local = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    local.start()
    try:
        host, port = local.get_host_and_port()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        s3fs.S3FileSystem.clear_instance_cache()
        name = f"bucket-{secrets.token_hex(4)}"  # moto keeps what a server before had
        s3fs.S3FileSystem().mkdir(name)
        yield f"s3://{name}"
    finally:
        s3fs.S3FileSystem.clear_instance_cache()
        gc.collect()  # s3fs leaves its connections open: see s3
        local.stop()


def copied(source, url):
    zarr.create_array(url, data=zarr.open_array(str(source))[:], chunks=(4, 32, 40))
    return url


@s3
def test_s3_holds_the_same_bits(tiny_model, movie_and_maps, bucket, capsys):
    source, whole = movie_and_maps
    words = ["map", str(tiny_model), copied(source, f"{bucket}/movie.zarr"), "-o", f"{bucket}/maps.zspy"]
    assert main([*words, "--part", "0/2"]) == 0
    assert main([*words, "--resume"]) == 0
    assert digest(f"{bucket}/maps.zspy") == digest(whole)
    assert len(read_frames(f"{bucket}/movie.zarr")) == FRAMES
    assert main([*words[:4], "s3://nobody/maps.zspy"]) == 1
    assert "s3://nobody" in capsys.readouterr().err


#: Maps an archive, and kills itself in the fourth block: after its frames are mapped, before any is written.
KILLED = """
import os, signal, sys
from shiftvae_rt.archive import run
from shiftvae_rt.cli import main
map_block, begun = run.map_block, []
def killed(mapper, stack, archive, block, each):
    begun.append(block)
    def mapped():
        each()
        if len(begun) == 4:
            os.kill(os.getpid(), signal.SIGKILL)
    return map_block(mapper, stack, archive, block, each=mapped)
run.map_block = killed
main(sys.argv[1:])
"""


@s3
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_a_killed_process_is_resumed_on_s3(tiny_model, movie_and_maps, bucket):
    source, whole = movie_and_maps
    words = ["map", str(tiny_model), copied(source, f"{bucket}/movie.zarr"), "-o", f"{bucket}/maps.zspy"]
    done = subprocess.run([sys.executable, "-c", KILLED, *words], timeout=100, check=False)
    assert done.returncode == -signal.SIGKILL
    statuses = zarr.open_group(f"{bucket}/maps.zspy", mode="r")["status"][:]
    assert np.flatnonzero(statuses).tolist() == list(range(12))  # three blocks of four frames
    assert main([*words, "--resume"]) == 0
    assert digest(f"{bucket}/maps.zspy") == digest(whole)
