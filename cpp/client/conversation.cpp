#include "conversation.hpp"

#include <algorithm>
#include <utility>

#include "shiftvae_client.h"

namespace shiftvae::client {

namespace {

constexpr std::int64_t second = 1000000000;
constexpr std::int64_t ping_ns = second / 2, retry_ns = second / 2, want_ns = 4000000;
constexpr std::int64_t silence_ns = 2200000000;    // a healthy service answers PING also during an encoding
constexpr std::int64_t untaken_ns = 10 * second;   // a message that was not received by then was lost on its way
constexpr std::int64_t in_hand_ns = 300 * second;  // the service's own watchdog ends a hanging encoding much earlier

}  // namespace

Conversation::Conversation(std::string stream, std::string session, std::string clock)
    : stream_(std::move(stream)), session_(std::move(session)), clock_(std::move(clock)) {}

bool Conversation::active() const noexcept {
    return state_ == State::greeting || state_ == State::open || state_ == State::ending;
}

std::optional<Message> Conversation::next(std::int64_t now_ns) {
    if (state_ == State::connecting) {
        state_ = State::greeting;
        heard_ns_ = now_ns;
        return Message{hello(stream_, session_, mailbox.first_seq(), clock_, now_ns), {}};
    }
    if (state_ != State::open) return std::nullopt;
    if (const std::uint64_t aborted = mailbox.take_aborted()) return Message{abort(aborted), {}};
    if (sent_ < credit_) {
        if (std::optional<LinesToSend> lines = mailbox.take(max_frame_bytes_)) {
            ++sent_;
            sent_ns_ = now_ns;
            wanted_ns_ = 0;
            return Message{lines->frame->header(stream_, lines->first, lines->last), std::move(*lines)};
        }
    }
    if (closing_ && mailbox.idle()) {
        state_ = State::ending;
        mailbox.give_up();  // counts a frame that was never finished as dropped
        return Message{end(mailbox.counts()[SVC_OFFERED]), {}};
    }
    const std::int64_t newest_ns = mailbox.newest_ns();
    if (sent_ >= credit_ && newest_ns > newest_ns_ && now_ns - wanted_ns_ > want_ns) {
        wanted_ns_ = now_ns;
        newest_ns_ = newest_ns;
        return Message{want(newest_ns), {}};
    }
    if (now_ns - said_ns_ < ping_ns) return std::nullopt;
    said_ns_ = now_ns;
    return Message{ping(now_ns), {}};
}

void Conversation::hear(const Reply& reply, std::int64_t now_ns) {
    using Kind = Reply::Kind;
    heard_ns_ = now_ns;
    if (reply.kind != Kind::welcome && reply.kind != Kind::error) credit_ = std::max(credit_, reply.credit);
    switch (reply.kind) {
        case Kind::welcome: welcomed(reply, now_ns); break;
        case Kind::pong:
            received_ = reply.received;
            if (reply.answered >= sent_ && mailbox.in_flight())  // answers keep their order
                lose(now_ns, "an answer from the service was lost");
            break;
        case Kind::grant: break;
        case Kind::credit: mailbox.taken(reply.seq); break;
        case Kind::ack:
            mailbox.settled(reply.seq, reply.outcome, "");
            if (reply.outcome == SVC_PROCESSED) status.clear();
            break;
        case Kind::error: refused(reply, now_ns); break;
        case Kind::end_ack:
            if (state_ == State::ending) state_ = State::ended;
            break;
        case Kind::go_away: lose(now_ns, reply.text); break;
    }
}

void Conversation::welcomed(const Reply& welcome, std::int64_t now_ns) {
    if (state_ != State::greeting) return;
    if (welcome.epoch != epoch_) {
        epoch_ = welcome.epoch;
        earlier_ = mailbox.counts();
    }
    Counts settled{};
    for (std::size_t i = 0; i < settled.size(); ++i) settled[i] = earlier_[i] + welcome.counters[i];
    mailbox.reconnected(welcome.next_seq, settled);
    credit_ = welcome.credit;
    max_frame_bytes_ = welcome.max_frame_bytes;
    sent_ = received_ = 0;
    newest_ns_ = 0;
    state_ = State::open;
    status.clear();
    lost_ns_ = 0;
    said_ns_ = now_ns;
}

void Conversation::refused(const Reply& error, std::int64_t now_ns) {
    if (error.seq == 0 || error.outcome == 0) return lose(now_ns, error.text);
    status = error.text;
    credit_ = std::max(credit_, error.credit);
    mailbox.settled(error.seq, error.outcome, error.text);
}

void Conversation::check(std::int64_t now_ns) {
    if (active() && now_ns - heard_ns_ > silence_ns) lose(now_ns, "the service has been silent for 2.2 s");
    if ((state_ != State::open && state_ != State::ending) || !mailbox.in_flight()) return;
    const bool taken = received_ >= sent_;
    if (now_ns - sent_ns_ > (taken ? in_hand_ns : untaken_ns))
        lose(now_ns, taken ? "the service has answered no frame for 300 s" : "the service has taken no frame for 10 s");
}

void Conversation::disconnected(std::int64_t now_ns) {
    if (active()) lose(now_ns, "the connection to the service ended");
}

void Conversation::lose(std::int64_t now_ns, const std::string& reason) {
    if (state_ == State::ended) return;
    state_ = State::lost;
    status = reason;
    if (lost_ns_ == 0) lost_ns_ = now_ns;
    retry_ns_ = now_ns + retry_ns;
}

bool Conversation::reopen(std::int64_t now_ns) {
    if (state_ != State::lost || now_ns < retry_ns_) return false;
    state_ = State::connecting;
    return true;
}

double Conversation::absent_s(std::int64_t now_ns) const noexcept {
    return lost_ns_ == 0 ? 0 : static_cast<double>(now_ns - lost_ns_) / static_cast<double>(second);
}

}  // namespace shiftvae::client
