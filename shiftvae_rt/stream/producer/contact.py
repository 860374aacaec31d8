"""Whether a producer is in contact with the service, the same in both modes.

::

    connecting --HELLO--> greeting --WELCOME--> open --END--> ending --END_ACK--> ended
         ^                    |                  |              |
         +--------------------+---- lost --------+--------------+

Contact is lost when the connection ends, when the service falls silent, and when a link says so. It begins again on a
NEW socket, so that no answer to the old one can be taken for one to the new.
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
#: The service answers PING also between the bands of a long encoding; a healthy one is never silent for so long.
SILENCE_S = 2.2
#: The service has taken a frame and nothing came of it, though it talks. Its own watchdog ends an encoding that hangs,
#: after longer the larger the frame is; this is for a service whose watchdog hangs too.
IN_HAND_S = 300.0


class Contact:
    """The state of one producer's conversation.

    Parameters
    ----------
    silence_s
        A service that has said nothing for so long is lost.

    Attributes
    ----------
    last_error
        Why contact was lost last, or what was refused last; empty while all is well.
    lost_ns
        Since when there has been no session; None while there is one, and before the first.
    """

    def __init__(self, silence_s: float = SILENCE_S) -> None:
        self.state: Literal["connecting", "greeting", "open", "lost", "ending", "ended"] = "connecting"
        self.last_error = ""
        self.lost_ns: int | None = None
        self._silence_s = silence_s
        self._heard_ns = self._said_ns = 0
        self._retry_ns: int | None = 0  # None: never

    def reopen(self, now_ns: int) -> bool:
        """Begin again on a new socket, if it is time to. False: not yet."""
        if self._retry_ns is None or now_ns < self._retry_ns:
            return False
        self.state = "connecting"
        return True

    def greet(self, hello: Hello, now_ns: int) -> Parts:
        """The first message on a connection."""
        self.state, self._heard_ns = "greeting", now_ns
        return [encode(hello)]

    def opened(self, now_ns: int) -> None:
        """WELCOME came."""
        self.state, self.last_error, self.lost_ns, self._said_ns = "open", "", None, now_ns

    def ping(self, now_ns: int) -> Parts | None:
        """PING, if it is time to."""
        if now_ns - self._said_ns < PING_NS:
            return None
        self._said_ns = now_ns
        return [encode(Ping(clock_ns=now_ns))]

    def read(self, parts: Parts, now_ns: int) -> Reply | None:
        """What the service said; None, and contact is lost, if it is not our protocol."""
        self._heard_ns = now_ns
        try:
            if len(parts) != 1:
                raise WireError(f"an answer has one part, got {len(parts)}")
            return decode_reply(parts[0])
        except WireError as error:
            self.lose(now_ns, f"the service sent something that is not protocol {PROTOCOL}: {error}")
            return None

    @property
    def active(self) -> bool:
        """Whether there is a connection with a conversation on it, or the beginning of one."""
        return self.state in ("greeting", "open", "ending")

    def check(self, now_ns: int) -> None:
        """Lose contact with a service that has fallen silent."""
        if self.active and now_ns - self._heard_ns > self._silence_s * 1e9:
            self.lose(now_ns, f"the service has been silent for {self._silence_s:.3g} s")

    def disconnected(self, now_ns: int) -> None:
        """The connection ended. ZeroMQ would connect again, but our session is gone."""
        if self.active:
            self.lose(now_ns, "the connection to the service ended")

    def refused(self) -> None:
        """The service does not accept our key, or asks for one that we do not have. ZeroMQ goes on trying."""
        self.last_error = KEY_REFUSED

    def lose(self, now_ns: int, reason: str, *, for_good: bool = False) -> None:
        """Contact is lost, to be taken up again in 0.5 s, or never."""
        self.last_error, self.state = reason, "lost"
        self.lost_ns = now_ns if self.lost_ns is None else self.lost_ns
        self._retry_ns = None if for_good else now_ns + RETRY_NS
