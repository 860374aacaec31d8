"""Bands of a frame: the same bits for any threads, and an end to all of them when one fails."""

from __future__ import annotations

import multiprocessing
import sys
import threading
import time

import numpy as np
import pytest
from tiny_models import write_tiny_model

from shiftvae_rt import LatentMapper
from shiftvae_rt.bands import encode_in_bands
from shiftvae_rt.window_grid import WindowGrid

GRID = WindowGrid((200, 100), (16, 16), 4)
LINES = np.zeros((1, 200, 100), np.uint16)


class SlowRoute:
    """Says where its bands were encoded; the one that begins at `bad` fails."""

    def __init__(self, bad=None):
        self.bad, self.threads, self.ended = bad, set(), 0

    def encode(self, lines, centre):
        self.threads.add(threading.get_ident())
        time.sleep(0.02)
        if self.bad is not None and lines[0, 0, 0] == self.bad:
            raise RuntimeError("this band fails")
        self.ended += 1
        rows = (lines.shape[1] - 16) // 4 + 1
        values = np.broadcast_to(lines[:, : 4 * rows : 4, :22], (2, rows, 22)).astype(np.float32)
        return values, values + 1


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bands")
    return {c: write_tiny_model(folder / f"{c}.svae", channels=c) for c in (1, 2)}


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("stride", [1, 2, 4, 16])
@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_threads_do_not_change_a_bit(models, channels, stride, dtype):
    frame = np.random.default_rng(0).poisson(100, (channels, 150, 90)).astype(dtype)
    one, two, five = (LatentMapper(models[channels], stride=stride, threads=n).map(frame) for n in (1, 2, 5))
    for found in (two, five):
        np.testing.assert_array_equal(found.mean, one.mean)
        np.testing.assert_array_equal(found.std, one.std)


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_bands_fill_the_map_and_threads_share_them(monkeypatch, threads):
    monkeypatch.setattr("shiftvae_rt.bands.BAND_PIXELS", 4000)
    lines = np.arange(200, dtype=np.uint16)[None, :, None].repeat(100, axis=2)
    route, told = SlowRoute(), []
    mean, std = encode_in_bands(
        route, lines, np.zeros(1), GRID, 2, threads=threads, between=lambda: told.append(threading.get_ident())
    )
    np.testing.assert_array_equal(mean[0, :, 0], np.arange(GRID.rows) * 4)
    np.testing.assert_array_equal(std, mean + 1)
    assert route.ended % threads == 0
    assert len(route.threads) == threads
    assert set(told) == {threading.get_ident()}
    assert len(told) <= route.ended - threads + 1


def test_a_band_that_fails_ends_the_frame_and_no_thread_reads_on(monkeypatch):
    monkeypatch.setattr("shiftvae_rt.bands.BAND_PIXELS", 2000)
    lines = np.arange(200, dtype=np.uint16)[None, :, None].repeat(100, axis=2)
    route = SlowRoute(bad=0)
    with pytest.raises(RuntimeError, match="this band fails"):
        encode_in_bands(route, lines, np.zeros(1), GRID, 2, threads=2)
    ended = route.ended
    time.sleep(0.1)
    assert route.ended == ended < 10


def test_a_small_frame_is_not_cut_into_less_than_a_window_of_lines():
    route = SlowRoute()
    encode_in_bands(route, LINES[:, :40], np.zeros(1), WindowGrid((40, 100), (16, 16), 4), 2, threads=8)
    assert route.ended == 1


def mapped(path, frame, answers):
    answers.put(LatentMapper(path, threads=2).map(frame).mean)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_a_forked_child_has_threads_of_its_own(models):
    frame = np.random.default_rng(0).poisson(100, (150, 90)).astype(np.uint16)
    here = LatentMapper(models[1], threads=2).map(frame).mean
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    child = context.Process(target=mapped, args=(models[1], frame, answers))
    child.start()
    child.join(60)
    assert child.exitcode == 0
    np.testing.assert_array_equal(answers.get(), here)
