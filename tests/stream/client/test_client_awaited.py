"""On asyncio: outcomes are awaited, results come from `async for`."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from stream_support import LIMIT_S, noisy

from shiftvae_rt.client import AsyncProducer, AsyncReader
from shiftvae_rt.errors import FrameError, ServiceError
from shiftvae_rt.stream import Service

FRAME = noisy((40, 48))


def run(coroutine: Any) -> Any:
    return asyncio.run(asyncio.wait_for(coroutine, 4 * LIMIT_S))


def test_frames_are_sent_and_their_maps_read(service: Service) -> None:
    async def acquire() -> None:
        async with AsyncReader(service.results) as reader, AsyncProducer(service.ingest, stream="a") as producer:
            await producer.wait_ready(LIMIT_S)
            assert await asyncio.to_thread(service.wait_for_readers, 1, LIMIT_S)
            for number in range(4):
                outcome = await producer.send(FRAME, number=number, context=str(number))
                assert (outcome.outcome, outcome.context) == ("processed", str(number))
                result = await anext(reader)
                assert (result.frame, result.context) == (number, str(number))
            assert (reader.gaps, reader.connected) == (0, True)
        assert producer.counters.processed == 4

    run(acquire())


def test_rows_are_offered_at_once_and_their_frame_is_awaited(service: Service) -> None:
    async def acquire() -> None:
        async with AsyncProducer(service.ingest, stream="a") as producer:
            await producer.wait_ready(LIMIT_S)
            for first in (0, 20):
                seq = producer.offer_rows(1, FRAME[first : first + 20], first, FRAME.shape)
            both = await asyncio.gather(producer.outcome(seq), producer.outcome(seq))
            assert [each.outcome for each in both] == ["processed"] * 2
            assert (await producer.outcome(seq)).seq == seq, "also later"
            producer.offer_rows(2, FRAME[:20], 0, FRAME.shape)
            assert producer.abort(2)
            assert (await producer.outcome(2)).outcome == "dropped_producer"

    run(acquire())


def test_mistakes_raise_where_they_were_made(service: Service) -> None:
    async def acquire() -> None:
        async with AsyncProducer(service.ingest, stream="a") as producer:
            with pytest.raises(FrameError, match="dtype"):
                await producer.send("a frame")
            with pytest.raises(ServiceError, match="number 0"):
                await producer.outcome(producer.offer_rows(5, FRAME[8:16], 8, FRAME.shape))

    run(acquire())


def test_a_reader_whose_program_takes_nothing_can_be_left(service: Service) -> None:
    async def acquire() -> None:
        async with AsyncReader(service.results, latest=True) as reader:
            assert await asyncio.to_thread(service.wait_for_readers, 1, LIMIT_S)
            async with AsyncProducer(service.ingest, stream="a") as producer:
                for _ in range(5):
                    await producer.send(FRAME)
        assert not reader.connected

    run(acquire())
