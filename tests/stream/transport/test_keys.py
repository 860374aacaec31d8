"""Keys: who comes in, who does not, and that failures close the door."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq
from stream_support import FREE, LIMIT_S, hello, noisy, until

from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_rt.errors import KeyFileError, ServiceError
from shiftvae_rt.stream import (
    Control,
    KeyFolder,
    LosslessProducer,
    Options,
    Producer,
    Service,
    Subscriber,
)
from shiftvae_rt.stream.transport.gatekeeper import Gatekeeper
from shiftvae_rt.stream.transport.keys import read_key
from shiftvae_rt.stream.transport.sockets import bind

Make = Callable[..., Any]
FRAME = noisy((40, 40))
PRODUCE, READ, ADMIN = ("produce",), ("read",), ("admin",)
AT_ONCE = 50


@pytest.fixture
def keys(tmp_path: Path) -> KeyFolder:
    folder = KeyFolder.create(tmp_path / "keys")
    for name, roles in (("scope", PRODUCE), ("viewer", READ), ("boss", ADMIN)):
        folder.add(name, roles)
    return folder


@pytest.fixture
def locked(serve: Make, mapper: LatentMapper, keys: KeyFolder, tmp_path: Path) -> Service:
    return serve(mapper, options=Options(keys=keys.path, control=FREE, journal=tmp_path / "j"))


def test_files_with_a_secret_are_for_their_owner_alone(keys: KeyFolder) -> None:
    for name in ("server.key", "scope.key", "clients.json"):
        assert stat.S_IMODE((keys.path / name).stat().st_mode) == 0o600
    assert keys.server.secret not in repr(keys.server)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_key_that_others_may_read_is_refused(keys: KeyFolder, mode: int) -> None:
    (keys.path / "scope.key").chmod(mode)
    (keys.path / "server.key").chmod(mode)
    for read in (lambda: read_key(keys.path / "scope.key"), lambda: KeyFolder(keys.path)):
        with pytest.raises(KeyFileError, match=f"has mode {mode:04o}, .* chmod 600"):
            read()


@pytest.mark.parametrize("content", [b"", b"[{}]", b"{", b'[{"name":"x","public":"","roles":[]}]', b"null", b"\xff"])
def test_a_damaged_list_is_an_error_and_never_an_empty_list(keys: KeyFolder, content: bytes) -> None:
    (keys.path / "clients.json").write_bytes(content)
    with pytest.raises(KeyFileError, match=r"cannot read .*clients\.json"):
        KeyFolder(keys.path)


def test_a_client_is_added_once_and_revoked_once(keys: KeyFolder) -> None:
    with pytest.raises(KeyFileError, match=r"already has .*'scope'"):
        keys.add("scope", READ)
    keys.revoke("scope")
    with pytest.raises(KeyFileError, match="no client 'scope': it has viewer, boss"):
        keys.revoke("scope")
    assert not (keys.path / "scope.key").exists()


@pytest.mark.parametrize("name", ["", "../x", "a b", "x" * 65, "a/b"])
def test_a_name_that_is_no_file_name_is_refused(keys: KeyFolder, name: str) -> None:
    with pytest.raises(KeyFileError, match="1 to 64 characters"):
        keys.add(name, READ)


def test_an_existing_key_is_never_replaced(keys: KeyFolder) -> None:
    with pytest.raises(KeyFileError, match="is not replaced"):
        KeyFolder.create(keys.path)


def test_the_services_own_key_is_no_clients_key(keys: KeyFolder) -> None:
    with pytest.raises(KeyFileError, match="own key"):
        read_key(keys.path / "server.key")


def test_each_role_does_what_it_may(locked: Service, keys: KeyFolder, produce: Make) -> None:
    subscriber = Subscriber(locked.results, key=keys.path / "viewer.key")
    subscriber.wait_ready(LIMIT_S)
    assert locked.wait_for_readers(1, LIMIT_S)
    producer: Producer = produce(locked, key=keys.path / "scope.key")
    producer.offer(FRAME)
    assert subscriber.receive(LIMIT_S).frame == 1
    subscriber.close()
    with LosslessProducer(locked.ingest, stream="exact", key=keys.path / "scope.key") as exact:
        exact.send(FRAME)
    with Control(locked.control, key=keys.path / "viewer.key") as viewer:
        assert viewer.status().ready
        assert [record.outcome for record in viewer.records("exact")] == ["processed"]
        with pytest.raises(ServiceError, match="not_allowed"):
            viewer.stop()
        with pytest.raises(ServiceError, match="not_allowed"):
            viewer.swap("other.svae")
    with (
        Control(locked.control, key=keys.path / "boss.key") as boss,
        pytest.raises(ServiceError, match="model_refused"),
    ):
        boss.swap("other.svae")


def test_a_key_without_the_role_is_refused_and_told_so(locked: Service, keys: KeyFolder, produce: Make) -> None:
    producer: Producer = produce(locked, key=keys.path / "viewer.key")
    until(lambda: bool(producer.last_error))
    with pytest.raises(ServiceError, match="refuses our key"):
        producer.wait_ready(0)
    subscriber = Subscriber(locked.results, key=keys.path / "scope.key")
    with pytest.raises(ServiceError, match="refuses our key"):
        subscriber.wait_ready(LIMIT_S)
    subscriber.close()
    control = Control(locked.control, key=keys.path / "scope.key", connect_s=LIMIT_S)
    with control, pytest.raises(ServiceError, match="refuses our key"):
        control.status()


@pytest.mark.clock
def test_a_client_without_a_key_is_refused(locked: Service, produce: Make) -> None:
    with pytest.raises(ServiceError, match="no service at"):
        produce(locked).wait_ready(0.5)
    assert locked.report().malformed == 0


def test_a_revoked_client_does_not_come_back(locked: Service, keys: KeyFolder, produce: Make) -> None:
    path = keys.path / "scope.key"
    copy = keys.path.parent / "copy.key"
    os.link(path, copy)
    producer: Producer = produce(locked, "a", key=copy)
    producer.wait_ready(LIMIT_S)
    producer.close(LIMIT_S)
    keys.revoke("scope")
    revoked: Producer = produce(locked, "b", key=copy)
    until(lambda: "refuses our key" in revoked.last_error)


class Stranger:
    """A client that tries what it can, with whatever socket options a test gives it."""

    def __init__(self, context: zmq.Context, endpoint: str, options: dict[str, bytes]) -> None:
        self.socket = context.socket(zmq.DEALER)
        self.socket.setsockopt(zmq.LINGER, 0)
        for name, value in options.items():
            setattr(self.socket, name, value)
        self.socket.connect(endpoint)
        # A handshake that fails at once ends the connection for good, and a socket without any blocks its sender.
        with contextlib.suppress(zmq.Again):
            self.socket.send_json(hello(), zmq.NOBLOCK)
            self.socket.send_multipart([b"x" * 100, b"y" * 1000], zmq.NOBLOCK)


def attacks(keys: KeyFolder) -> Iterator[dict[str, bytes]]:
    server = keys.server.public.encode()
    public, secret = zmq.curve_keypair()
    viewer = read_key(keys.path / "viewer.key")
    while True:
        yield {}
        yield {"plain_username": b"admin", "plain_password": b"admin"}
        yield {"curve_serverkey": server, "curve_publickey": public, "curve_secretkey": secret}
        yield {"curve_serverkey": public, "curve_publickey": public, "curve_secretkey": secret}
        yield {
            "curve_serverkey": server,
            "curve_publickey": viewer.public.encode(),
            "curve_secretkey": viewer.secret.encode(),
        }


def unauthorised_tries(context: zmq.Context, server: Any, endpoint: str, keys: KeyFolder, count: int) -> int:
    """How many of `count` tries got a message through."""
    arrived, tries = 0, attacks(keys)
    for _ in range(0, count, AT_ONCE):
        strangers = [Stranger(context, endpoint, next(tries)) for _ in range(AT_ONCE)]
        if server.poll(100):
            arrived += len(server.recv_multipart())
        for stranger in strangers:
            stranger.socket.close()
    return arrived


@pytest.fixture
def context() -> Iterator[zmq.Context]:
    context = zmq.Context()
    context.set(zmq.MAX_SOCKETS, 4096)
    yield context
    context.destroy(linger=0)


@pytest.fixture
def guarded(context: zmq.Context, keys: KeyFolder) -> Iterator[tuple[Gatekeeper, Any, str]]:
    """A gatekeeper, the socket that it guards, and the endpoint of that."""
    gatekeeper = Gatekeeper(context, keys)
    server, endpoint = bind(context, "ingest", FREE, gatekeeper)
    yield gatekeeper, server, endpoint
    server.close()
    gatekeeper.close()


TRIES = int(os.environ.get("SHIFTVAE_TRIES", "400"))


@pytest.mark.timeout(60 + TRIES // 10)
def test_no_message_of_an_unauthorised_client_reaches_the_application(
    context: zmq.Context, keys: KeyFolder, guarded: Any
) -> None:
    gatekeeper, server, endpoint = guarded
    assert unauthorised_tries(context, server, endpoint, keys, TRIES) == 0
    assert gatekeeper.refused > 0


def friend(context: zmq.Context, endpoint: str, keys: KeyFolder) -> Stranger:
    key = read_key(keys.path / "scope.key")
    options = {"curve_publickey": key.public, "curve_secretkey": key.secret, "curve_serverkey": key.server}
    return Stranger(context, endpoint, {name: value.encode() for name, value in options.items()})


@pytest.mark.clock
def test_a_stopped_gatekeeper_lets_nobody_in(context: zmq.Context, keys: KeyFolder, guarded: Any) -> None:
    gatekeeper, server, endpoint = guarded
    first = friend(context, endpoint, keys)
    assert server.poll(LIMIT_S * 1e3), "while it runs, a friend comes in"
    gatekeeper.close()
    first.socket.close()
    while server.poll(100):
        server.recv_multipart()
    late = friend(context, endpoint, keys)
    assert unauthorised_tries(context, server, endpoint, keys, 20) == 0
    late.socket.close()


def test_without_the_enforced_domain_a_stopped_gatekeeper_would_let_everybody_in(
    context: zmq.Context, keys: KeyFolder, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """The mutant of the test above: it must see the difference."""
    guard = Gatekeeper.guard

    def careless(self: Gatekeeper, socket: Any, domain: str) -> None:
        guard(self, socket, domain)
        socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 0)

    monkeypatch.setattr(Gatekeeper, "guard", careless)
    gatekeeper, server, endpoint = request.getfixturevalue("guarded")
    gatekeeper.close()
    assert unauthorised_tries(context, server, endpoint, keys, 20) > 0


@pytest.mark.clock
def test_a_gatekeeper_that_fails_refuses_and_lives_on(
    context: zmq.Context, keys: KeyFolder, caplog: pytest.LogCaptureFixture, guarded: Any
) -> None:
    _gatekeeper, server, endpoint = guarded
    good = (keys.path / "clients.json").read_bytes()
    (keys.path / "clients.json").write_bytes(b"{")
    early = friend(context, endpoint, keys)
    assert not server.poll(300)
    early.socket.close()
    (keys.path / "clients.json").write_bytes(good)
    late = friend(context, endpoint, keys)
    assert server.poll(LIMIT_S * 1e3)
    late.socket.close()
    assert "a client was refused" in caplog.text


def test_an_open_address_needs_keys(mapper: LatentMapper, keys: KeyFolder) -> None:
    with pytest.raises(ServiceError, match="refusing to listen on tcp://192.0.2.1:5701: without keys"):
        Service(mapper, ingest="tcp://192.0.2.1:5701", results=FREE)
    with pytest.raises(ServiceError, match="give the one address"):
        Service(mapper, ingest="tcp://0.0.0.0:0", results=FREE, options=Options(keys=keys.path))
    with pytest.raises(ServiceError, match=r"cannot listen on tcp://192\.0\.2\.1"):
        Service(mapper, ingest="tcp://192.0.2.1:5701", results=FREE, options=Options(keys=keys.path))


def test_a_service_with_bad_keys_does_not_start(mapper: LatentMapper, keys: KeyFolder) -> None:
    (keys.path / "server.key").chmod(0o644)
    before = threading.active_count()
    with pytest.raises(KeyFileError, match="has mode 0644"):
        Service(mapper, ingest=FREE, results=FREE, options=Options(keys=keys.path))
    assert threading.active_count() == before


@pytest.mark.skipif(sys.platform == "win32", reason="access lists, not modes")
@pytest.mark.parametrize("mode", [0o777, 0o770, 0o722])
def test_a_folder_of_keys_that_others_may_write_to_is_refused_also_when_it_becomes_one(
    tmp_path: Path, keys: KeyFolder, mode: int
) -> None:
    open_folder = tmp_path / "open"
    open_folder.mkdir()
    open_folder.chmod(mode)
    with pytest.raises(KeyFileError, match=f"{open_folder} has mode {mode:04o}"):
        KeyFolder.create(open_folder)
    assert list(open_folder.iterdir()) == []
    keys.path.chmod(mode)
    for use in (keys.clients, lambda: KeyFolder(keys.path)):
        with pytest.raises(KeyFileError, match=f"mode {mode:04o}"):
            use()


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize("name", [".", "clients.json", "server.key"])
def test_keys_that_belong_to_somebody_else_are_refused(keys: KeyFolder, name: str) -> None:
    os.chown(keys.path / name, 12345, 12345)
    with pytest.raises(KeyFileError, match="belongs to user 12345"):
        KeyFolder(keys.path)


def test_a_name_that_ends_in_a_newline_is_refused(keys: KeyFolder) -> None:
    with pytest.raises(KeyFileError, match="1 to 64"):
        keys.add("microscope\n", ("produce",))
