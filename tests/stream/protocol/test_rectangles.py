"""Frames in rectangles: any order, every pixel once, and the map of the whole frame in the end."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stream_support import LIMIT_S, RawProducer, frame_message, noisy, rows_message

from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_rt.errors import FrameError
from shiftvae_rt.stream import Counters, Producer, Service
from shiftvae_rt.stream.producer.mailbox import Mailbox
from shiftvae_rt.stream.producer.outgoing import Source
from shiftvae_rt.stream.protocol.rectangles import Rectangles

Make = Callable[..., Any]
FRAME = noisy((40, 36))
PLENTY = 1 << 30
TILES = [(y, x) for y in range(0, 40, 8) for x in range(0, 36, 12)]  # 8 x 12 px each


def cuts(length: int) -> st.SearchStrategy[list[int]]:
    return st.sets(st.integers(1, length - 1), max_size=4).map(lambda inner: [0, *sorted(inner), length])


@given(cuts(11), cuts(9), st.sampled_from([(), (2,)]), st.randoms())
def test_rectangles_in_any_order_give_the_frame_and_count_its_lines(
    ys: list[int], xs: list[int], channels: tuple[int, ...], random: Any
) -> None:
    pixels = noisy((*channels, 11, 9))
    frame, there = Rectangles(pixels.shape, pixels.dtype), np.zeros((11, 9), bool)
    boxes = [(y, x) for y in itertools.pairwise(ys) for x in itertools.pairwise(xs)]
    random.shuffle(boxes)
    for (top, bottom), (left, right) in boxes:
        assert frame.place(pixels[..., top:bottom, left:right], top, left)
        assert not frame.place(pixels[..., top:bottom, left:right], top, left), "pixels come once"
        there[top:bottom, left:right] = True
        assert frame.valid_rows == int(np.cumprod(there.all(axis=1)).sum())
        assert np.array_equal(frame.pixels[..., : frame.valid_rows, :], pixels[..., : frame.valid_rows, :])
    assert frame.valid_rows == 11


def test_a_rectangle_that_overlaps_changes_nothing() -> None:
    frame = Rectangles((4, 4), np.dtype(np.uint8))
    frame.place(np.ones((2, 2), np.uint8), 0, 0)
    assert not frame.place(np.full((4, 4), 9, np.uint8), 0, 0)
    assert frame.pixels[:2, :2].tolist() == [[1, 1], [1, 1]]
    assert frame.place(np.ones((2, 2), np.uint8), 0, 2)
    assert frame.valid_rows == 2


def tile_message(place: tuple[int, int], valid_rows: int, **changes: Any) -> tuple[dict[str, Any], bytes]:
    y, x = place
    fields = {
        "frame_shape": FRAME.shape,
        "roi": (y, x, 8, 12),
        "valid_rows": valid_rows,
        "complete": valid_rows == 40,
        **changes,
    }
    return frame_message(FRAME[y : y + 8, x : x + 12], **fields)


@pytest.mark.parametrize("order", ["as they lie", "from the right", "shuffled"])
def test_a_frame_in_rectangles_has_the_map_of_the_whole_frame(
    service: Service, subscribe: Make, raw: Make, mapper: LatentMapper, order: str
) -> None:
    subscriber, client = subscribe(service), raw(service)
    client.hello()
    tiles, there = list(TILES), np.zeros((40, 36), bool)
    if order == "from the right":
        tiles.sort(key=lambda tile: (tile[0], -tile[1]))
    elif order == "shuffled":
        np.random.default_rng(0).shuffle(tiles)
    for y, x in tiles:
        there[y : y + 8, x : x + 12] = True
        answer = client.say(*tile_message((y, x), int(np.cumprod(there.all(axis=1)).sum())))
        assert answer["htype"] in ("CREDIT", "ACK"), answer
    assert answer["outcome"] == "processed"
    expected = mapper.map(FRAME)
    while not (result := subscriber.receive(LIMIT_S)).complete:
        rows = slice(result.latent_map.first_row, result.latent_map.first_row + result.latent_map.mean.shape[1])
        assert np.array_equal(result.latent_map.mean, expected.mean[:, rows])
    assert np.array_equal(result.latent_map.mean, expected.mean)
    assert np.array_equal(result.latent_map.std, expected.std)
    assert service.report().total == Counters(offered=1, processed=1)


@pytest.mark.parametrize(
    ("second", "text"),
    [
        (lambda: tile_message((0, 0), 0), "covers pixels that came before"),
        (lambda: tile_message((0, 12), 8), "has 0 valid lines now, got valid_rows 8"),
        (lambda: rows_message(FRAME, 8, 16), "lines and in rectangles"),
        (lambda: tile_message((0, 12), 0, frame_shape=(41, 36)), "began as uint16"),
        (lambda: tile_message((0, 12), 0, shape=(1, 8, 12)), "got a rectangle"),
    ],
    ids=["overlap", "wrong count", "lines", "another frame", "channels"],
)
def test_a_rectangle_that_does_not_fit_rejects_its_frame(service: Service, raw: Make, second: Make, text: str) -> None:
    client: RawProducer = raw(service)
    client.hello()
    assert client.say(*tile_message((0, 0), 0))["htype"] == "CREDIT"
    answer = client.say(*second())
    assert (answer["name"], answer["outcome"]) == ("bad_message", "rejected")
    assert text in answer["text"]
    assert service.report().total == Counters(offered=1, rejected=1)
    assert client.say(*frame_message(FRAME, seq=2))["outcome"] == "processed"


def test_a_frame_too_large_to_be_put_together_is_refused(service: Service, raw: Make) -> None:
    client: RawProducer = raw(service)
    client.hello()
    answer = client.say(*tile_message((0, 0), 0, frame_shape=(8192, 8192)))
    assert "at most 67108864 bytes" in answer["text"]


def test_a_producer_sends_lines_as_soon_as_rectangles_fill_them(
    service: Service, subscribe: Make, produce: Make, mapper: LatentMapper
) -> None:
    subscriber = subscribe(service)
    producer: Producer = produce(service, mode="replay")
    for number in (5, 6):
        for y, x in reversed(TILES):
            producer.offer_rectangle(number, FRAME[y : y + 8, x : x + 12], (y, x), FRAME.shape)
        producer.wait(LIMIT_S)
        while not (result := subscriber.receive(LIMIT_S)).complete:
            pass
        assert result.frame == number
        assert np.array_equal(result.latent_map.mean, mapper.map(FRAME).mean)
    assert producer.close(LIMIT_S) == Counters(offered=2, processed=2)


def test_lines_wait_in_the_mailbox_until_all_above_them_are_there() -> None:
    mailbox = Mailbox(Source("s"))

    def put(y: int, x: int, frame: int = 1) -> int:
        return mailbox.put_rectangle(FRAME[y : y + 8, x : x + 18], frame=frame, place=(y, x), frame_shape=FRAME.shape)

    for place in ((8, 0), (8, 18), (0, 18)):
        put(*place)
        assert mailbox.take(PLENTY) is None
    put(0, 0)
    header, rows = mailbox.take(PLENTY)
    assert (header.roi, header.valid_rows, header.complete) == ((0, 0, 16, 36), 16, False)
    assert np.array_equal(rows, FRAME[:16])
    mailbox.taken(1)
    assert put(0, 0, frame=2) == 2, "another number is another frame"
    assert mailbox.counters() == Counters(offered=2, dropped_producer=1)


@pytest.mark.parametrize(
    ("pixels", "place", "shape", "text"),
    [
        (FRAME[:8, :8], (0, 0), (40, 36), "were offered before"),
        (FRAME[:8, :8], (0, 30), (40, 36), r"\(40, 36\)"),
        (FRAME[:8, :8], (-1, 0), (40, 36), r"\(40, 36\)"),
        (FRAME[:8, :8], (8, 8), (40, 37), "began as uint16"),
        (FRAME[:8, :8].astype(np.int32), (8, 8), (40, 36), "began as uint16"),
        (FRAME[0, :8], (8, 8), (40, 36), "two or three axes"),
    ],
)
def test_a_rectangle_that_makes_no_sense_is_refused_at_the_door(
    produce: Make, pixels: np.ndarray, place: tuple[int, int], shape: tuple[int, int], text: str
) -> None:
    producer: Producer = produce("tcp://127.0.0.1:9")
    producer.offer_rectangle(1, FRAME[:8, :8], (0, 0), FRAME.shape)
    with pytest.raises(FrameError, match=text):
        producer.offer_rectangle(1, pixels, place, shape)


def test_rows_do_not_go_on_with_a_frame_that_began_in_rectangles(produce: Make) -> None:
    producer: Producer = produce("tcp://127.0.0.1:9")
    producer.offer_rectangle(1, FRAME[:8, :8], (0, 0), FRAME.shape)
    with pytest.raises(FrameError, match="in rectangles, got rows"):
        producer.offer_rows(1, FRAME[8:], 8, FRAME.shape)
