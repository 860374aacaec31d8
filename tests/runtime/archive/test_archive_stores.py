"""Movies and archives in stores that fsspec opens: those in memory, and S3 where moto and s3fs are installed."""

from __future__ import annotations

import numpy as np
import pytest
import zarr
from archive_support import ARRAYS, FRAMES, digest, movie, write_movie

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


def test_s3_holds_the_same_bits(tiny_model, movie_and_maps, monkeypatch, capsys):
    pytest.importorskip("s3fs", reason="S3 needs s3fs")
    server = pytest.importorskip("moto.server", reason="a local S3 needs moto[server]")
    s3fs = pytest.importorskip("s3fs")
    source, whole = movie_and_maps
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    local = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    local.start()
    try:
        host, port = local.get_host_and_port()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        s3fs.S3FileSystem().mkdir("bucket")
        zarr.create_array("s3://bucket/movie.zarr", data=zarr.open_array(str(source))[:], chunks=(4, 32, 40))
        words = ["map", str(tiny_model), "s3://bucket/movie.zarr", "-o", "s3://bucket/maps.zspy"]
        assert main([*words, "--part", "0/2"]) == 0
        assert main([*words, "--resume"]) == 0
        found, expected = zarr.open_group("s3://bucket/maps.zspy", mode="r"), zarr.open_group(str(whole), mode="r")
        for name in ARRAYS:
            np.testing.assert_array_equal(found[name][:], expected[name][:])
        assert len(read_frames("s3://bucket/movie.zarr")) == FRAMES
        assert main([*words[:4], "s3://nobody/maps.zspy"]) == 1
        assert "s3://nobody" in capsys.readouterr().err
    finally:
        local.stop()
