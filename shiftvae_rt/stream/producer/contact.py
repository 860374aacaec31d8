"""State of a producer's contact with the service, in live and in lossless mode.

::

    connecting --HELLO--> greeting --WELCOME--> open --END--> ending --END_ACK--> ended
         ^                    |                  |              |
         +--------------------+---- lost --------+--------------+

Contact is lost when the connection ends, when the service falls silent, and when a link declares it lost. It is resumed
on a NEW socket, so that a late answer on the old one is never read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

from ...errors import WireError
from ..protocol.messages import (
    KEY_REFUSED,
    PROTOCOL,
    Hello,
    Ping,
    Reply,
    decode_reply,
    encode,
)

__all__ = ["IN_HAND_S", "PING_NS", "RETRY_NS", "SILENCE_S", "Contact", "Parts"]

Parts: TypeAlias = Sequence[bytes | memoryview]

PING_NS = 500_000_000
RETRY_NS = 500_000_000
#: Silence after which the service is lost, s. A healthy one answers PING also between the bands of a long encoding.
SILENCE_S = 2.2
#: Time after which a service that took a frame and never answered it is lost although it answers PING, s. Its own
#: watchdog ends a hanging encoding much earlier; this limit is for a service whose watchdog hangs too.
IN_HAND_S = 300.0


class Contact:
    """The state of one producer's conversation.

    Parameters
    ----------
    silence_s
        A service that has sent nothing for this long is lost.

    Attributes
    ----------
    last_error
        Reason for the last loss of contact or the last refusal; empty after a new WELCOME, and after a frame that the
        service took.
    lost_ns
        Time at which the session was lost; None while there is one, and before the first.
    """

    def __init__(self, silence_s: float = SILENCE_S) -> None:
        self.state: Literal["connecting", "greeting", "open", "lost", "ending", "ended"] = "connecting"
        self.last_error = ""
        self.lost_ns: int | None = None
        self._silence_s = silence_s
        self._heard_ns = self._said_ns = 0
        self._retry_ns: int | None = 0  # None: never

    def reopen(self, now_ns: int) -> bool:
        """Return to the state ``connecting`` if it is time for the next attempt; the caller then renews the socket."""
        if self._retry_ns is None or now_ns < self._retry_ns:
            return False
        self.state = "connecting"
        return True

    def greet(self, hello: Hello, now_ns: int) -> Parts:
        """Return the first message on a connection."""
        self.state, self._heard_ns = "greeting", now_ns
        return [encode(hello)]

    def opened(self, now_ns: int) -> None:
        """Note that WELCOME arrived."""
        self.state, self.last_error, self.lost_ns, self._said_ns = "open", "", None, now_ns

    def ping(self, now_ns: int) -> Parts | None:
        """Return a PING if it is time for the next one."""
        if now_ns - self._said_ns < PING_NS:
            return None
        self._said_ns = now_ns
        return [encode(Ping(clock_ns=now_ns))]

    def read(self, parts: Parts, now_ns: int) -> Reply | None:
        """Decode a message from the service; if it breaks the protocol, contact is lost and the result is None."""
        self._heard_ns = now_ns
        try:
            if len(parts) != 1:
                raise WireError(f"an answer has one part, got {len(parts)}")
            return decode_reply(parts[0])
        except WireError as error:
            self.lose(now_ns, f"the service sent a message that breaks protocol {PROTOCOL}: {error}")
            return None

    @property
    def active(self) -> bool:
        """True if HELLO has been sent on the current socket and contact is not lost."""
        return self.state in ("greeting", "open", "ending")

    def check(self, now_ns: int) -> None:
        """Declare contact lost if the service has been silent for too long."""
        if self.active and now_ns - self._heard_ns > self._silence_s * 1e9:
            self.lose(now_ns, f"the service has been silent for {self._silence_s:.3g} s")

    def disconnected(self, now_ns: int) -> None:
        """Declare contact lost because the connection ended. ZeroMQ would connect again, but the session is gone."""
        if self.active:
            self.lose(now_ns, "the connection to the service ended")

    def refused(self) -> None:
        """Note that the service refused the connection. ZeroMQ goes on trying."""
        self.last_error = KEY_REFUSED

    def lose(self, now_ns: int, reason: str, *, for_good: bool = False) -> None:
        """Declare contact lost for `reason`. The next attempt follows after 0.5 s, or with `for_good` never."""
        self.last_error, self.state = reason, "lost"
        self.lost_ns = now_ns if self.lost_ns is None else self.lost_ns
        self._retry_ns = None if for_good else now_ns + RETRY_NS
