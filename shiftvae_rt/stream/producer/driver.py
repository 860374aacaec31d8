"""The thread that exchanges a producer's messages with the service: a link decides them, a socket carries them."""

from __future__ import annotations

import contextlib
import socket as sockets
import threading
from collections.abc import Sequence
from typing import Protocol

import zmq

from ..protocol.clock import monotonic_ns
from ..transport.connection import Connection, Event
from ..transport.keys import ClientKey
from ..transport.sockets import receive
from .contact import Contact

__all__ = ["Driver", "Link"]

_TICK_MS = 100


class Link(Protocol):
    """Decides what a producer sends: `live_link.LiveLink` and `lossless_link.LosslessLink`."""

    contact: Contact

    def next_message(self, now_ns: int) -> Sequence[bytes | memoryview] | None:
        """Return the message to send now, or None."""

    def hear(self, parts: Sequence[bytes | memoryview], now_ns: int) -> None:
        """Handle one message from the service."""

    def check(self, now_ns: int) -> None:
        """Declare contact lost if a time limit has passed."""

    def give_up(self) -> None:
        """Note that the thread ends: nothing more will be sent or received."""


class Driver:
    """Runs a link over a DEALER socket on a thread of its own.

    Parameters
    ----------
    link
        Decides what to send.
    endpoint, key
        Ingest endpoint of the service, and the client's key if the service requires one.
    high_water_mark
        Most messages that ZeroMQ may queue.
    name
        Name of the thread.
    """

    def __init__(self, link: Link, endpoint: str, *, key: ClientKey | None, high_water_mark: int, name: str) -> None:
        self._link = link
        self._connection = Connection(zmq.DEALER, endpoint, high_water_mark=high_water_mark, key=key)
        self._abandoned = False
        self._wake_read, self._wake_write = sockets.socketpair()
        self._wake_read.setblocking(False)
        self._wake_write.setblocking(False)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """False once the thread has ended."""
        return self._thread.is_alive()

    def wake(self) -> None:
        """Wake the thread, because the link has a new message."""
        with contextlib.suppress(OSError):  # full: the thread is about to wake anyway; closed: it has ended
            self._wake_write.send(b"\0")

    def join(self, timeout_s: float) -> None:
        """Wait for the end of the conversation, and break it off after `timeout_s`."""
        self.wake()
        self._thread.join(max(0.0, timeout_s))
        if self._thread.is_alive():
            self._abandoned = True
            self.wake()
            self._thread.join()

    def _run(self) -> None:
        try:
            while self._link.contact.state != "ended" and not self._abandoned:
                self._turn()
        finally:
            self._link.give_up()
            self._connection.close()
            self._wake_read.close()
            self._wake_write.close()

    def _turn(self) -> None:
        link, contact = self._link, self._link.contact
        if contact.state == "lost" and contact.reopen(monotonic_ns()):
            self._connection.renew()
        socket, monitor = self._connection.socket, self._connection.monitor
        while writable := bool(socket.poll(0, zmq.POLLOUT)):
            message = link.next_message(monotonic_ns())
            if message is None:
                break
            try:
                socket.send_multipart(message, zmq.NOBLOCK, copy=False)
            except zmq.Again:  # the connection ended after the poll
                contact.disconnected(monotonic_ns())
                break
        poller = zmq.Poller()
        poller.register(self._wake_read, zmq.POLLIN)
        poller.register(monitor, zmq.POLLIN)
        poller.register(socket, zmq.POLLIN | (0 if writable else zmq.POLLOUT))
        poller.poll(_TICK_MS)
        with contextlib.suppress(BlockingIOError):
            self._wake_read.recv(4096)
        while (parts := receive(socket)) is not None:
            link.hear(parts, monotonic_ns())
        while (event := self._connection.event()) is not None:
            if event is Event.REFUSED:
                contact.refused()
            elif event is Event.ENDED:
                contact.disconnected(monotonic_ns())
        link.check(monotonic_ns())
