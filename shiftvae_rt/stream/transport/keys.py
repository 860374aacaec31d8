"""CURVE keys of the service and of its clients, and the list of clients with their roles.

The folder of keys belongs to the service and is made by ``shiftvae keys``::

    KEYS/server.key      the service's own key pair (secret)
    KEYS/clients.json    the clients that may connect: name, public key, roles
    KEYS/NAME.key        a client's key pair and the service's public key (secret): move it to the client's computer

Secret files are made with mode 0600, and refused if other users may read them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal, TypeAlias, TypeVar

import msgspec
import zmq
from msgspec import Meta

from ...errors import KeyFileError
from ...private_file import check_folder, check_mode, write_new

__all__ = ["ROLES", "Client", "ClientKey", "KeyFolder", "Role", "read_key"]

Role: TypeAlias = Literal["produce", "read", "admin"]
ROLES: tuple[Role, ...] = ("produce", "read", "admin")
_Key: TypeAlias = Annotated[str, Meta(min_length=40, max_length=40)]
_Name: TypeAlias = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,64}\Z")]
_MAX_BYTES = 1 << 20
_Kind = TypeVar("_Kind")


class ClientKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key pair, as Z85 text of 40 characters. `server`: the service's public key, empty in the service's own file."""

    name: _Name
    public: _Key
    secret: _Key
    server: Annotated[str, Meta(pattern=r"^(.{40})?\Z")]

    def __repr__(self) -> str:
        return f"ClientKey({self.name!r})"  # the secret stays out of logs and tracebacks


class Client(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A client that may connect. ``produce``: ingest. ``read``: results and read requests. ``admin``: all requests."""

    name: _Name
    public: _Key
    roles: Annotated[tuple[Role, ...], Meta(min_length=1)]


class KeyFolder:
    """The service's folder of keys.

    Parameters
    ----------
    folder
        Path of the folder, as `create` made it.

    Raises
    ------
    KeyFileError
        if it is missing or damaged, or if other users own it, may write to it or its files, or may read its secrets.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.path = Path(folder)
        check_folder(self.path)
        self.server = _read_secret(self.path / "server.key")
        self.clients()

    @classmethod
    def create(cls, folder: str | os.PathLike[str]) -> KeyFolder:
        """Make the folder at `folder` with a new key for the service and an empty list of clients.

        Raises
        ------
        KeyFileError
            if it cannot be made, already has a key, or other users own it or may write to it.
        """
        path = Path(folder)
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise KeyFileError(f"cannot make the folder {path}: {error.strerror}") from error
        check_folder(path)
        _write_secret(path / "server.key", _new_key("server", ""))
        write_new(path / "clients.json", b"[]\n", 0o600)
        return cls(path)

    def clients(self) -> list[Client]:
        """Read the list of clients that may connect.

        Raises
        ------
        KeyFileError
            if anything is wrong with the list; a damaged list is never taken for an empty one.
        """
        path = self.path / "clients.json"
        check_folder(self.path)
        check_mode(path, write_only=True)
        clients = _decode(path, list[Client])
        if len({client.name for client in clients}) < len(clients):
            raise KeyFileError(f"{path} lists a client twice: remove one")
        return clients

    def add(self, name: str, roles: tuple[Role, ...]) -> Path:
        """Add a client `name` with `roles`; returns the path of its key file, to be moved to the client's computer.

        Raises
        ------
        KeyFileError
            if there is a client of that name already, or a file cannot be written.
        """
        clients = self.clients()
        if any(client.name == name for client in clients) or name == "server":
            raise KeyFileError(f"{self.path} already has a key {name!r}: choose another name, or revoke it first")
        key = _new_key(name, self.server.public)
        path = self.path / f"{name}.key"
        _write_secret(path, key)
        self._write_clients([*clients, Client(name=name, public=key.public, roles=roles)])
        return path

    def revoke(self, name: str) -> None:
        """Remove the client `name` from the list. A connection that it has already stays until it ends.

        Raises
        ------
        KeyFileError
            if there is no such client, or the list cannot be written.
        """
        clients = self.clients()
        left = [client for client in clients if client.name != name]
        if len(left) == len(clients):
            known = ", ".join(client.name for client in clients) or "no clients"
            raise KeyFileError(f"{self.path} has no client {name!r}: it has {known}")
        self._write_clients(left)
        (self.path / f"{name}.key").unlink(missing_ok=True)

    def _write_clients(self, clients: list[Client]) -> None:
        text = msgspec.json.format(msgspec.json.encode(clients), indent=2) + b"\n"
        part = self.path / "clients.json.part"
        part.unlink(missing_ok=True)
        write_new(part, text, 0o600)
        part.replace(self.path / "clients.json")


def read_key(path: str | os.PathLike[str] | None) -> ClientKey | None:
    """Read a client's key file; None for None.

    Raises
    ------
    KeyFileError
        if it is missing, damaged, readable by other users, or the service's own.
    """
    if path is None:
        return None
    key = _read_secret(Path(path))
    if not key.server:
        raise KeyFileError(f"{path} is the service's own key: give a client's key, made by `shiftvae keys add`")
    return key


def _new_key(name: str, server: str) -> ClientKey:
    public, secret = zmq.curve_keypair()
    try:
        return msgspec.convert(
            {"name": name, "public": public.decode(), "secret": secret.decode(), "server": server}, ClientKey
        )
    except msgspec.ValidationError:
        raise KeyFileError(f"expected a client's name of 1 to 64 characters A-Z a-z 0-9 _ . -, got {name!r}") from None


def _read_secret(path: Path) -> ClientKey:
    check_mode(path)
    return _decode(path, ClientKey)


def _decode(path: Path, kind: type[_Kind]) -> _Kind:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise KeyFileError(f"{path} is too large to be a key file")
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise KeyFileError(f"cannot read {path}: {error}: make it with `shiftvae keys`") from error


def _write_secret(path: Path, key: ClientKey) -> None:
    write_new(path, msgspec.json.format(msgspec.json.encode(key), indent=2) + b"\n", 0o600)
