"""Messages that come while an encoding runs: everybody is heard, and a flood by one is not read to its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
import zmq
from stream_support import LIMIT_S, until

from shiftvae_rt.stream.transport.incoming import Incoming
from shiftvae_rt.stream.transport.meter import Meter

FLOOD = 50


@pytest.fixture
def sockets() -> Iterator[tuple[zmq.Socket, list[zmq.Socket]]]:
    """A ROUTER, and five peers that are connected to it, called 0 to 4."""
    with zmq.Context() as context, context.socket(zmq.ROUTER) as router:
        port = router.bind_to_random_port("tcp://127.0.0.1")
        peers = [context.socket(zmq.DEALER) for _ in range(5)]
        for number, peer in enumerate(peers):
            peer.setsockopt(zmq.IDENTITY, b"%d" % number)
            peer.setsockopt(zmq.LINGER, 0)
            peer.connect(f"tcp://127.0.0.1:{port}")
            peer.send(b"hello")
            assert router.poll(LIMIT_S * 1e3)
            router.recv_multipart()
        yield router, peers
        for peer in peers:
            peer.close()


def test_a_flood_by_one_is_left_once_everybody_was_heard(sockets: tuple[zmq.Socket, list[zmq.Socket]]) -> None:
    router, peers = sockets
    incoming, heard = Incoming(router, Meter()), Counter()

    def heard_at_once() -> dict[bytes, int]:
        before = heard.copy()
        incoming.hear_meanwhile(lambda peer, _: heard.update([peer]) is None)
        return dict(heard - before)

    for _ in range(FLOOD):
        peers[0].send(b"flood")
    for peer in peers[1:]:
        peer.send(b"word")
    at_once: list[dict[bytes, int]] = []
    until(lambda: at_once.append(heard_at_once()) is None and sum(heard.values()) == FLOOD + 4)
    assert max(each.get(b"0", 0) for each in at_once) <= 2, "its second message says that nobody else waits"
    assert [heard[b"%d" % number] for number in range(1, 5)] == [1, 1, 1, 1]
