"""What there is to see: canvases that grow, maps beside their own frame, bytes of a plane."""

from __future__ import annotations

import gc
import json
import weakref
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_rt.view import canvas as canvas_module
from shiftvae_rt.view import picture_message
from shiftvae_rt.view import scenes as scenes_module
from shiftvae_rt.view.canvas import Canvas
from shiftvae_rt.view.picture_message import PictureWriter
from shiftvae_rt.view.planes import ends_of, levels
from shiftvae_rt.view.scenes import Facts, Scenes


def facts(seq: int, *, lines: int = 40, shape: tuple[int, int] = (40, 48), **changes: Any) -> Facts:
    known = {"stream": "s", "channel": "", "frame": seq, "pixel_size_nm": None, **changes}
    return Facts(seq=seq, frame_shape=shape, lines=lines, **known)


def header_of(parts: list[bytes | memoryview]) -> dict[str, Any]:
    length, header = parts[:2]
    assert int.from_bytes(length, "little") == len(header)
    return json.loads(header)


def frame_of(seq: int) -> np.ndarray:
    return np.random.default_rng(seq).poisson(40, (1, 40, 48)).astype(np.uint16)


@pytest.fixture
def scenes() -> Scenes:
    return Scenes(lambda: None)


@given(st.integers(1, 400), st.integers(1, 400), st.integers(1, 90), st.integers(40, 200))
def test_a_canvas_is_the_same_however_its_lines_come(height: int, width: int, band: int, most: int) -> None:
    image = np.arange(height * width, dtype=np.float32).reshape(1, height, width)
    before, canvas_module.MOST_EDGE = canvas_module.MOST_EDGE, most
    try:
        canvas = Canvas(image.shape)
    finally:
        canvas_module.MOST_EDGE = before
    for first in range(0, height, band):
        canvas.put(image[:, first : first + band], first)
    assert max(canvas.values.shape) <= most
    assert canvas.rows == canvas.values.shape[1]
    np.testing.assert_array_equal(canvas.values, image[:, :: canvas.step, :: canvas.step])


def test_a_frame_is_shown_only_beside_its_own_map(scenes: Scenes, mapper: LatentMapper) -> None:
    """A lossless service encodes 1, 2, 3 and then publishes their maps."""
    for seq in (1, 2, 3):
        scenes.put_lines(facts(seq), frame_of(seq), 0)
    for seq in (1, 2):
        scenes.put_map("s", seq, mapper.map(frame_of(seq)[0]), 0.0)
        assert scenes.all() == {}
    scenes.put_map("s", 3, mapper.map(frame_of(3)[0]), 0.0)
    scene = scenes.all()["s"]
    np.testing.assert_array_equal(scene.frame.values, frame_of(3).astype(np.float32))
    np.testing.assert_array_equal(scene.maps.latents.values, mapper.map(frame_of(3)[0]).mean)


@pytest.mark.parametrize("joined_late", [False, True], ids=["from the first line", "in the middle"])
def test_fields_follow_a_scan_and_end_as_those_of_the_whole_map(
    scenes: Scenes, mapper: LatentMapper, joined_late: bool
) -> None:
    image = np.random.default_rng(1).poisson(40, (96, 48)).astype(np.uint16)
    scan, seen = mapper.begin_scan(image.shape, dtype=image.dtype), []
    for first in range(0, 96, 8):
        rows = scan.push_rows(image[first : first + 8])
        if joined_late and first < 40:
            continue
        scenes.put_lines(facts(1, lines=first + 8, shape=(96, 48)), image[None, first : first + 8], first)
        if first == 88:
            rows = scan.result()
        if rows is not None:
            scenes.put_map("s", 1, rows, 0.0)
        maps = scenes.all()["s"].maps
        if maps is not None:
            maps.follow_fields()
            seen.append(maps.fields.rows)
    assert seen[-1] == scan.grid.rows
    assert any(0 < rows < scan.grid.rows for rows in seen) != joined_late
    np.testing.assert_array_equal(maps.fields.values, scan.result().fields.mean)


def test_no_frame_but_the_last_is_kept_alive(scenes: Scenes, mapper: LatentMapper) -> None:
    kept = []
    for seq in range(1, 6):
        scenes.put_lines(facts(seq), frame_of(seq), 0)
        scenes.put_map("s", seq, mapper.map(frame_of(seq)[0]), 0.0)
        kept.append(weakref.ref(scenes.all()["s"].maps))
        if seq == 1:
            scenes.all()["s"].maps.follow_fields()
    gc.collect()
    assert [ref() is None for ref in kept] == [False, True, True, True, False]  # 1 has the newest fields


def test_maps_of_a_frame_of_another_size_are_not_kept(scenes: Scenes, mapper: LatentMapper) -> None:
    scenes.put_lines(facts(1), frame_of(1), 0)
    scenes.put_map("s", 1, mapper.map(frame_of(1)[0]), 0.0)
    scenes.put_lines(facts(2, lines=8, shape=(60, 48)), frame_of(2)[:, :8], 0)
    scene = scenes.all()["s"]
    assert scene.maps is None
    assert np.isnan(scene.frame.values[:, 8:]).all()
    assert scene.verdict.frame == 1  # said of the frame to which it belongs


def test_the_stream_that_was_silent_longest_is_forgotten(scenes: Scenes) -> None:
    for number in range(scenes_module.MOST_STREAMS + 3):
        scenes.put_lines(facts(1, lines=8, stream=f"s{number}"), frame_of(1)[:, :8], 0)
    assert len(scenes.all()) == scenes_module.MOST_STREAMS
    assert "s0" not in scenes.all()


def test_a_frame_of_huge_numbers_is_no_error(scenes: Scenes) -> None:
    lines = np.full((1, 8, 48), 1e300)
    lines[0, 0] = 0
    scenes.put_lines(facts(1, lines=8), lines, 0)
    assert PictureWriter().write(scenes.all()["s"])


def test_colours_keep_their_meaning_while_a_frame_grows(scenes: Scenes, monkeypatch: Any) -> None:
    writer = PictureWriter()

    def ends(scene: Any) -> tuple[float, float]:
        plane = header_of(writer.write(scene))["planes"][0]
        return plane["low"], plane["high"]

    first = frame_of(1)
    scenes.put_lines(facts(1, lines=20), first[:, :20], 0)
    scenes.put_lines(facts(1), first[:, 20:], 20)
    whole = ends(scenes.all()["s"])
    scenes.put_lines(facts(2, lines=4), 10 * first[:, :4], 0)
    assert ends(scenes.all()["s"]) == whole
    scenes.put_lines(facts(2), 10 * first[:, 4:], 4)
    assert ends(scenes.all()["s"]) == whole  # half a second has not passed
    monkeypatch.setattr(picture_message, "KEPT_S", 0.0)
    assert ends(scenes.all()["s"])[1] > 5 * whole[1]


def test_a_colour_bar_follows_its_unit(scenes: Scenes, mapper: LatentMapper) -> None:
    """The pixel size of the next frame is known, and its displacement comes in pm, from its first row on."""
    writer, frame = PictureWriter(), frame_of(1)
    scenes.put_lines(facts(1), frame, 0)
    scenes.put_map("s", 1, mapper.map(frame[0]), 0.0)
    before = header_of(writer.write(scenes.all()["s"]))["planes"][3]
    scenes.put_lines(facts(2, lines=8, pixel_size_nm=(0.02, 0.02)), frame[:, :8], 0)
    after = header_of(writer.write(scenes.all()["s"]))["planes"][3]
    assert (before["unit"], after["unit"]) == ("px", "pm")
    assert after["high"] == pytest.approx(20 * before["high"])


def test_bytes_are_even_steps_and_zero_is_unknown() -> None:
    values = np.array([[-9, 0, 0.5, 1, 9, np.nan, np.inf]], np.float32)
    assert levels(values, 0.0, 1.0).tolist() == [[1, 1, 128, 255, 255, 0, 0]]


@pytest.mark.parametrize(
    ("values", "colours", "ends"),
    [
        ([[0.0, 1.0, 2.0]], "content", (0.0, 2.0)),
        ([[-1.0, 0.5]], "signed", (-1.0, 1.0)),
        ([[2.0, 3.0]], "signed", (-3.0, 3.0)),
        ([[4.0, 4.0]], "content", (3.5, 4.5)),
        ([[1.0, 2.0, 5.0]], "median", (-1.0, 5.0)),
        ([[np.nan]], "content", (0.0, 1.0)),
    ],
)
def test_the_ends_of_a_colour_bar(values: list[list[float]], colours: str, ends: tuple[float, float]) -> None:
    assert ends_of(np.array(values, np.float32), colours) == ends
