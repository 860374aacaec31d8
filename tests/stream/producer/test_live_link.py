"""When the producer of the live mode gives a connection up. No sockets, no clock of ours."""

from __future__ import annotations

import numpy as np
import pytest
from test_lossless_link import pong, welcome

from shiftvae_rt.stream.producer.contact import IN_HAND_S, RETRY_NS
from shiftvae_rt.stream.producer.live_link import UNTAKEN_S, LiveLink
from shiftvae_rt.stream.producer.mailbox import Mailbox
from shiftvae_rt.stream.producer.outgoing import Source
from shiftvae_rt.stream.protocol.messages import encode

S = 1_000_000_000


def open_link() -> LiveLink:
    """A link that has sent one frame, at 1 s, and has no answer."""
    link = LiveLink(Mailbox(Source("s")), "live")
    assert link.next_message(S) is not None
    link.hear([encode(welcome(credit=1))], S)
    link._mailbox.put(np.zeros((18, 16), np.uint8))
    assert len(link.next_message(S)) == 2
    return link


@pytest.mark.parametrize(
    ("received", "limit_s", "reason"), [(0, UNTAKEN_S, "taken no frame"), (1, IN_HAND_S, "answered no frame")]
)
def test_a_frame_that_is_never_taken_or_never_answered_ends_the_connection(
    received: int, limit_s: float, reason: str
) -> None:
    link = open_link()
    for tenth in range(10, 10 + round(limit_s * 10)):
        now_ns = tenth * S // 10
        link.next_message(now_ns)
        link.hear([encode(pong(received, 0))], now_ns)
        link.check(now_ns)
        assert link.contact.state == "open"
    link.check(S + int(limit_s * S) + 1)
    assert (link.contact.state, link.contact.last_error) == ("lost", f"the service has {reason} for {limit_s:g} s")


def test_a_pong_from_the_midst_of_our_encoding_is_no_lost_answer_and_one_from_after_it_is() -> None:
    link = open_link()
    link.hear([encode(pong(1, 0))], 2 * S)
    assert link.contact.state == "open"
    link.hear([encode(pong(1, 1))], 2 * S)
    assert (link.contact.state, link.contact.last_error) == ("lost", "an answer from the service was lost")


def test_a_new_connection_has_time_to_be_welcomed_however_old_the_frame_on_its_way_is() -> None:
    link = open_link()
    link.contact.disconnected(60 * S)
    assert link.contact.reopen(60 * S + RETRY_NS)
    link.next_message(61 * S)
    link.check(62 * S)
    assert link.contact.state == "greeting"
    link.hear([encode(welcome(1, credit=1))], 62 * S)
    assert (link.contact.state, link._mailbox.counters().dropped_producer) == ("open", 1)
