"""Bands of a frame: the same bits for any threads, and an end to all of them when one fails."""

from __future__ import annotations

import multiprocessing
import sys
import threading
import time
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import write_tiny_model

from shiftvae_rt import LatentMapper
from shiftvae_rt.encode.bands import _edges, encode_in_bands
from shiftvae_rt.kernels.window_grid import WindowGrid

GRID = WindowGrid((200, 100), (16, 16), 4)
LINES = np.zeros((1, 200, 100), np.uint16)


class SlowRoute:
    """Says where its bands were encoded; the first of a helper, or of the caller, fails."""

    def __init__(self, failing=""):
        self.failing, self.threads, self.ended = failing, set(), 0

    def encode(self, lines, centre):
        thread = threading.current_thread()
        self.threads.add(thread.ident)
        time.sleep(0.02)
        if self.failing == ("helper" if thread.name.startswith("shiftvae-band") else "caller"):
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
    monkeypatch.setattr("shiftvae_rt.encode.bands.BAND_PIXELS", 4000)
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


@pytest.mark.parametrize("failing", ["helper", "caller"])
@pytest.mark.clock
def test_a_band_that_fails_ends_the_frame_and_no_thread_reads_on(monkeypatch, failing):
    monkeypatch.setattr("shiftvae_rt.encode.bands.BAND_PIXELS", 2000)
    lines = np.arange(200, dtype=np.uint16)[None, :, None].repeat(100, axis=2)
    route = SlowRoute(failing)
    with pytest.raises(RuntimeError, match="this band fails"):
        encode_in_bands(route, lines, np.zeros(1), GRID, 2, threads=2)
    ended = route.ended
    time.sleep(0.1)
    assert route.ended == ended < 10


@given(
    rows=st.integers(1, 300),
    window=st.integers(1, 40),
    stride=st.integers(1, 64),
    threads=st.integers(1, 9),
    width=st.sampled_from([40, 512, 5000]),
)
def test_no_band_is_empty(rows, window, stride, threads, width):
    edges = _edges(WindowGrid(((rows - 1) * stride + window, width), (window, 1), stride), threads)
    assert edges[0] == 0
    assert edges[-1] == rows
    assert all(first < last for first, last in pairwise(edges))


def test_signals_and_strides_beyond_the_window_take_any_threads(tmp_path, models):
    line = write_tiny_model(tmp_path / "line.svae", dimensions=1)
    signal = np.random.default_rng(0).poisson(100, 900).astype(np.uint16)
    frame = np.random.default_rng(1).poisson(100, (150, 90)).astype(np.uint16)
    for path, stride, pixels in ((line, 4, signal), (models[1], 32, frame)):
        one, two, five = (LatentMapper(path, stride=stride, threads=n).map(pixels).mean for n in (1, 2, 5))
        np.testing.assert_array_equal(two, one)
        np.testing.assert_array_equal(five, one)


def test_two_frames_at_once_share_the_threads(models):
    frame = np.random.default_rng(0).poisson(100, (150, 90)).astype(np.uint16)
    mapper, found = LatentMapper(models[1], stride=1, threads=2), []
    callers = [threading.Thread(target=lambda: found.append(mapper.map(frame).mean)) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len(found) == 4
    for mean in found:
        np.testing.assert_array_equal(mean, LatentMapper(models[1], stride=1).map(frame).mean)


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
