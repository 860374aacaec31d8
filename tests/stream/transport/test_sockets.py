"""Where the service may listen, and with which options."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator

import pytest
import zmq
from stream_support import FREE

from shiftvae_rt.errors import ServiceError
from shiftvae_rt.stream.transport.connection import Connection, Event
from shiftvae_rt.stream.transport.gatekeeper import DOMAINS, Gatekeeper
from shiftvae_rt.stream.transport.sockets import DOORS, bind


@pytest.fixture
def context() -> Iterator[zmq.Context]:
    context = zmq.Context()
    yield context
    context.destroy(linger=0)


@pytest.fixture
def gate(context: zmq.Context) -> Iterator[Gatekeeper]:
    gatekeeper = Gatekeeper(context)
    yield gatekeeper
    gatekeeper.close()


@pytest.mark.parametrize(
    "endpoint", ["tcp://0.0.0.0:0", "tcp://192.168.1.5:5701", "tcp://8.8.8.8:5701", "tcp://128.0.0.1:5701"]
)
def test_an_address_that_others_can_reach_is_refused(context: zmq.Context, gate: Gatekeeper, endpoint: str) -> None:
    with pytest.raises(ServiceError, match="refusing to listen on"):
        bind(context, "ingest", endpoint, gate)


@pytest.mark.parametrize(
    "endpoint",
    ["", "5701", "tcp://*:5701", "tcp://eth0:5701", "tcp://localhost:5701", "tcp://127.0.0.1", "ipc://x", "inproc://x",
     "tcp://127.0.0.1:65536", "tcp://127.0.0.1:5701;tcp://0.0.0.0:1", "tcp://[::]:5701"],
)  # fmt: skip
def test_what_is_no_loopback_endpoint_is_refused(context: zmq.Context, gate: Gatekeeper, endpoint: str) -> None:
    with pytest.raises(ServiceError, match="expected an endpoint tcp://HOST:PORT with an IPv4 address"):
        bind(context, "ingest", endpoint, gate)


@pytest.mark.parametrize("endpoint", ["", "tcp://", "tcp://host", "http://host:1", "tcp://host:port"])
def test_only_an_endpoint_can_be_connected_to(endpoint: str) -> None:
    with pytest.raises(ServiceError, match="expected an endpoint tcp://HOST:PORT with a host"):
        Connection(zmq.DEALER, endpoint, high_water_mark=1)


def test_port_0_takes_a_free_port_and_says_which(context: zmq.Context, gate: Gatekeeper) -> None:
    socket, endpoint = bind(context, "ingest", FREE, gate)
    socket.close()
    assert int(endpoint.rpartition(":")[2]) > 0


@pytest.mark.parametrize(
    ("name", "peer"),
    [("ingest", zmq.DEALER), ("control", zmq.DEALER), ("open-ingest", zmq.PUSH), ("results", zmq.XSUB)],
)
@pytest.mark.clock
def test_a_message_larger_than_the_limit_never_reaches_us(
    context: zmq.Context, gate: Gatekeeper, name: str, peer: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(DOORS, name, dataclasses.replace(DOORS[name], max_bytes=1000))
    server, endpoint = bind(context, name, FREE, gate)
    client = context.socket(peer)
    with server, client:
        client.setsockopt(zmq.LINGER, 0)
        client.connect(endpoint)
        client.send(b"large" + bytes(2000))
        assert not server.poll(300)
        client.send(b"small")
        assert server.poll(5000), "the peer may come back with a message that fits"
        assert server.recv_multipart()[-1] == b"small"


def test_every_door_is_a_domain_and_takes_little_but_frames() -> None:
    assert DOORS.keys() == DOMAINS.keys()
    assert DOORS["results"].max_bytes <= 512
    assert DOORS["control"].max_bytes <= 8192


def test_options_hold_before_the_first_peer_comes(context: zmq.Context, gate: Gatekeeper) -> None:
    server, endpoint = bind(context, "ingest", FREE, gate)
    connection = Connection(zmq.DEALER, endpoint, high_water_mark=5)
    client = connection.socket
    with server:
        assert (server.getsockopt(zmq.RCVHWM), client.getsockopt(zmq.SNDHWM)) == (DOORS["ingest"].incoming, 5)
        assert client.getsockopt(zmq.RCVHWM) == 0  # never full, so that a heartbeat never meets a full queue
        assert client.getsockopt(zmq.IMMEDIATE) == 1
        for socket in (server, client):
            assert socket.getsockopt(zmq.LINGER) == 0
            assert socket.getsockopt(zmq.HEARTBEAT_IVL) == (500 if socket is client else 0)
            assert 0 < socket.getsockopt(zmq.MAXMSGSIZE) < 2**30
            assert socket.getsockopt(zmq.CONFLATE) == 0
            assert socket.getsockopt(zmq.CONNECT_TIMEOUT) == 500
    connection.close()
    connection.close()
    assert client.closed


@pytest.mark.clock
def test_a_connection_that_is_renewed_hears_nothing_of_the_old_one(context: zmq.Context, gate: Gatekeeper) -> None:
    server, endpoint = bind(context, "ingest", FREE, gate)
    connection = Connection(zmq.DEALER, endpoint, high_water_mark=5)
    with server:
        for word in (b"old", b"new"):
            for expected in (Event.REACHED, Event.READY):
                assert connection.monitor.poll(5000)
                assert connection.event() is expected
            connection.socket.send(word)
            assert server.poll(5000)
            peer, heard = server.recv_multipart()
            assert heard == word
            if word == b"old":
                connection.renew()
                with contextlib.suppress(zmq.ZMQError):  # it may know already that this peer is gone
                    server.send_multipart([peer, b"late"])
        server.send_multipart([peer, b"now"])
        assert connection.socket.poll(5000)
        assert connection.socket.recv() == b"now"
    connection.close()
