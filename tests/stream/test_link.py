"""When the producer of the live mode gives a connection up. No sockets, no clock of ours."""

from __future__ import annotations

import numpy as np
from test_lossless_link import welcome

from shiftvae_rt.stream.contact import RETRY_NS
from shiftvae_rt.stream.link import UNANSWERED_S, Link
from shiftvae_rt.stream.mailbox import Mailbox
from shiftvae_rt.stream.messages import Pong, encode
from shiftvae_rt.stream.outgoing import Source
from shiftvae_rt.stream.wire import Counters

S = 1_000_000_000


def open_link() -> Link:
    """A link that has sent one frame, at 1 s, and has no answer."""
    link = Link(Mailbox(Source("s")), "live")
    assert link.next_message(S) is not None
    link.hear([encode(welcome(credit=1))], S)
    link._mailbox.put(np.zeros((18, 16), np.uint8))
    assert len(link.next_message(S)) == 2
    return link


def test_a_frame_that_is_never_answered_ends_the_connection() -> None:
    link = open_link()
    for tenth in range(10, 10 + round(UNANSWERED_S * 10)):
        now_ns = tenth * S // 10
        link.next_message(now_ns)
        link.hear([encode(Pong(epoch="e", credit=1, received=0, counters=Counters(), clock_ns=0))], now_ns)
        link.check(now_ns)
        assert link.contact.state == "open"
    link.check(S + int(UNANSWERED_S * S) + 1)
    assert (link.contact.state, link.contact.last_error) == ("lost", "the runtime has not answered a frame for 10 s")


def test_a_new_connection_has_time_to_be_welcomed_however_old_the_frame_on_its_way_is() -> None:
    link = open_link()
    link.contact.disconnected(60 * S)
    assert link.contact.reopen(60 * S + RETRY_NS)
    link.next_message(61 * S)
    link.check(62 * S)
    assert link.contact.state == "greeting"
    link.hear([encode(welcome(1, credit=1))], 62 * S)
    assert (link.contact.state, link._mailbox.counters().dropped_producer) == ("open", 1)
