"""What the producer of the lossless mode says and when it gives a connection up. No sockets, no clock of ours."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from shiftvae_rt.stream import Counters
from shiftvae_rt.stream.producer.contact import IN_HAND_S, RETRY_NS, SILENCE_S
from shiftvae_rt.stream.producer.lossless_link import PROGRESS_S, LosslessLink
from shiftvae_rt.stream.producer.outgoing import OutgoingFrame, Source
from shiftvae_rt.stream.protocol.messages import (
    PROTOCOL,
    Committed,
    Error,
    GoAway,
    Pong,
    Reply,
    Welcome,
    encode,
)

S = 1_000_000_000
FRAME = np.zeros((18, 16), np.uint8)


def welcome(next_seq: int = 1, **changes: Any) -> Welcome:
    fields = {
        "protocol": PROTOCOL,
        "epoch": "e",
        "credit": 32,
        "credit_bytes": 1 << 20,
        "next_seq": next_seq,
        "max_frame_bytes": 1 << 20,
        "counters": Counters(),
        "model_sha256": "",
        "last_model_sha256": "",
        "dimensions": 2,
        "channels": 1,
        "window": (16, 16),
    }
    return Welcome(**{**fields, **changes})


def pong(received: int, answered: int) -> Pong:
    return Pong(epoch="e", credit=32, received=received, answered=answered, counters=Counters(), clock_ns=0)


class Talk:
    """A link, what it has said, and a clock that the test turns."""

    def __init__(self, next_seq: int = 1, **changes: Any) -> None:
        self.link, self.now_ns, self.received = LosslessLink(Source("s"), "session"), S, 0
        self.open(next_seq, **changes)

    def open(self, next_seq: int = 1, **changes: Any) -> None:
        assert self.said() == ["HELLO"]
        self.hear(welcome(next_seq, **changes))

    def hear(self, reply: Reply) -> None:
        self.link.hear([encode(reply)], self.now_ns)

    def said(self) -> list[Any]:
        """What the link says now: ``htype`` of control messages, ``seq`` of frames."""
        words = []
        while (parts := self.link.next_message(self.now_ns)) is not None:
            header = msgspec.json.decode(parts[0])
            words.append(header["htype"] if len(parts) == 1 else header["seq"])
        return words

    def put(self, count: int) -> list[int]:
        frames = [OutgoingFrame.of_rows(FRAME, frame=0, height=None, pixel_size_nm=None) for _ in range(count)]
        return [self.link.put(frame, 0.0) for frame in frames]

    def wait(self, seconds: float, *, received: int | None = None, answered: int = 0) -> None:
        """Let time pass; the service answers every PING as one that has taken and answered this many messages."""
        for _ in range(round(seconds * 10)):
            self.now_ns += S // 10
            if "PING" in self.said() and received is not None:
                self.hear(pong(received, answered))
            self.link.check(self.now_ns)

    def back(self, next_seq: int, **changes: Any) -> None:
        """The connection is lost; a new one is welcomed."""
        assert self.link.contact.state == "lost"
        self.now_ns += RETRY_NS
        assert self.link.contact.reopen(self.now_ns)
        self.open(next_seq, **changes)


def test_frames_that_are_not_committed_are_sent_again_from_where_the_runtime_is() -> None:
    talk = Talk()
    assert talk.put(5) == [1, 2, 3, 4, 5]
    assert talk.said() == [1, 2, 3, 4, 5]
    talk.hear(Committed(credit=34, committed=2, counters=Counters(offered=2, processed=2)))
    talk.link.contact.disconnected(talk.now_ns)
    talk.back(4)
    assert talk.said() == [4, 5], "frame 3 was committed, and its answer lost"
    assert talk.link.committed == 3


def test_frames_and_bytes_that_are_on_their_way_are_bounded() -> None:
    talk = Talk(credit=3)
    talk.put(3)
    assert talk.said() == [1, 2, 3]
    with pytest.raises(Exception, match="took no frame of stream 's'"):
        talk.put(1)
    talk = Talk(credit_bytes=2 * FRAME.nbytes)
    talk.put(2)
    with pytest.raises(Exception, match="took no frame of stream 's'"):
        talk.put(1)


def test_a_runtime_that_says_nothing_is_given_up() -> None:
    talk = Talk()
    talk.wait(SILENCE_S - 0.1)
    assert talk.link.contact.state == "open"
    talk.wait(0.3)
    assert (talk.link.contact.state, talk.link.contact.last_error) == ("lost", "the service has been silent for 2.2 s")


def test_a_runtime_that_lives_and_does_not_get_our_frames_is_given_up() -> None:
    talk = Talk()
    talk.put(2)
    talk.wait(PROGRESS_S - 0.2, received=0)
    assert talk.link.contact.state == "open"
    talk.wait(0.5, received=0)
    assert (talk.link.contact.state, talk.link.contact.last_error) == ("lost", "the service has taken no frame for 5 s")
    talk.back(1)
    assert talk.said() == [1, 2]


def test_a_new_connection_has_time_to_be_welcomed_however_long_the_old_one_made_no_progress() -> None:
    talk = Talk()
    talk.put(2)
    assert talk.said() == [1, 2]
    talk.now_ns += 60 * S
    talk.link.contact.disconnected(talk.now_ns)
    talk.now_ns += RETRY_NS
    assert talk.link.contact.reopen(talk.now_ns)
    assert talk.said() == ["HELLO"]
    talk.now_ns += S
    talk.link.check(talk.now_ns)
    assert talk.link.contact.state == "greeting"
    talk.hear(welcome(1))
    assert talk.said() == [1, 2]


def test_a_runtime_that_gets_our_frames_and_commits_none_is_given_up() -> None:
    """Liveness is not progress."""
    talk = Talk()
    talk.put(2)
    talk.wait(IN_HAND_S - 0.2, received=2)
    assert talk.link.contact.state == "open", "a long encoding is no fault"
    talk.wait(1.5, received=2)
    assert (talk.link.contact.state, talk.link.contact.last_error) == (
        "lost",
        f"the service has committed nothing for {IN_HAND_S:g} s",
    )


def test_frames_that_wait_behind_a_long_encoding_of_ours_are_no_fault() -> None:
    talk = Talk()
    talk.put(5)
    talk.wait(IN_HAND_S - 1, received=1)
    assert talk.link.contact.state == "open"


def test_a_pong_that_has_answered_all_while_a_frame_is_not_committed_tells_that_the_answer_is_lost() -> None:
    talk = Talk()
    talk.put(2)
    assert talk.said() == [1, 2]
    talk.hear(pong(2, 1))
    assert talk.link.contact.state == "open", "the second is in hand"
    talk.hear(pong(2, 2))
    assert (talk.link.contact.state, talk.link.contact.last_error) == ("lost", "an answer from the service was lost")
    talk.back(3)
    assert talk.link.committed == 2


def test_a_runtime_that_has_nothing_to_do_is_never_given_up() -> None:
    talk = Talk()
    talk.put(1)
    assert talk.said() == [1]
    talk.hear(Committed(credit=33, committed=1, counters=Counters(offered=1, processed=1)))
    talk.wait(60.0, received=1, answered=1)
    assert talk.link.contact.state == "open"


@pytest.mark.parametrize(
    "reply",
    [
        GoAway(epoch="e", text="the service was stopped", counters=Counters()),
        Error(name="unknown_session", text="say HELLO first", credit=0),
        Error(name="sequence_gap", text="expected frame 1", credit=0),
    ],
    ids=lambda reply: type(reply).__name__,
)
def test_what_the_runtime_says_may_end_a_connection_and_never_the_stream(reply: Reply) -> None:
    talk = Talk()
    talk.put(2)
    talk.hear(reply)
    assert talk.link.contact.state == "lost"
    talk.hear(Committed(credit=33, committed=2, counters=Counters()))
    assert talk.link.committed == 0, "an answer on the connection that we gave up"
    talk.back(1)
    assert talk.said() == [1, 2]


def test_an_answer_that_is_no_protocol_ends_the_connection() -> None:
    talk = Talk()
    talk.link.hear([b"hello?"], talk.now_ns)
    assert talk.link.contact.state == "lost"
    assert "protocol 3" in talk.link.contact.last_error
