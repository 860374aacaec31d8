#include "mailbox.hpp"

#include <algorithm>
#include <utility>

#include "common/refusal.hpp"
#include "shiftvae_client.h"

namespace shiftvae::client {

namespace {

constexpr std::size_t most_outcomes = 1024;

}  // namespace

Mailbox::Slot Mailbox::begin(Slot frame) {
    Slot before = replace();
    slot_ = std::move(frame);
    slot_->seq = ++counts_[SVC_OFFERED];
    return before;
}

std::uint64_t Mailbox::add(std::uint64_t number, std::size_t first_line, const Lines& lines, std::int64_t clock_ns,
                           std::int64_t utc_ns) {
    if (!slot_ || slot_->number != number || first_line + lines.count <= slot_->filled) {
        note_late();
        return 0;
    }
    if (first_line != slot_->filled || first_line + lines.count > slot_->format.height)
        refuse(SVC_LINES, "expected line " + std::to_string(slot_->filled) + " of " +
                              std::to_string(slot_->format.height) + " of frame " + std::to_string(number) +
                              ", got lines " + std::to_string(first_line) + " to " +
                              std::to_string(first_line + lines.count) + ": offer lines in order, from line 0");
    slot_->fill(lines, clock_ns, utc_ns);
    return slot_->seq;
}

bool Mailbox::abort(std::uint64_t number) {
    if (!slot_ || slot_->number != number || slot_->over || slot_->filled == slot_->format.height) return false;
    if (slot_->sent > 0) aborted_ = slot_->seq;
    replace();
    return true;
}

Mailbox::Slot Mailbox::replace() {
    const Slot before = std::exchange(slot_, nullptr);
    if (!before || before->over || before->sent == before->format.height) return before;
    before->replaced = true;
    if (!is_in_flight(before)) settle(*before, SVC_DROPPED_PRODUCER);
    return before;
}

bool Mailbox::is_in_flight(const Slot& frame) const noexcept {
    return std::find(in_flight_.begin(), in_flight_.end(), frame) != in_flight_.end();
}

std::optional<LinesToSend> Mailbox::take(std::uint64_t most) {
    if (!waits()) return std::nullopt;
    const std::uint64_t fit = most / slot_->format.row_bytes();
    if (fit == 0) {
        settle(*slot_, SVC_DROPPED_PRODUCER);
        return std::nullopt;
    }
    const std::size_t first = slot_->sent;
    const std::size_t last = first + static_cast<std::size_t>(std::min<std::uint64_t>(slot_->filled - first, fit));
    slot_->sent = last;
    taken_seq_ = slot_->seq;
    in_flight_.push_back(slot_);
    return LinesToSend{slot_, first, last};
}

std::uint64_t Mailbox::take_aborted() {
    for (const Slot& frame : in_flight_)
        if (frame->seq == aborted_) return 0;
    return std::exchange(aborted_, 0);
}

Mailbox::Slot Mailbox::landed(std::uint64_t seq) {
    if (in_flight_.empty() || in_flight_.front()->seq != seq) return nullptr;  // answers keep their order
    spent_.push_back(in_flight_.front());
    in_flight_.pop_front();
    return spent_.back();
}

void Mailbox::taken(std::uint64_t seq) {
    const Slot frame = landed(seq);
    if (frame && frame->replaced && !frame->over && !is_in_flight(frame)) settle(*frame, SVC_DROPPED_PRODUCER);
}

void Mailbox::settled(std::uint64_t seq, int outcome, const std::string& reason) {
    const Slot frame = landed(seq);
    if (frame && !frame->over) settle(*frame, outcome, reason);
}

void Mailbox::reconnected(std::uint64_t next_seq, const Counts& settled_counts) {
    const std::deque<Slot> lost = std::exchange(in_flight_, {});
    aborted_ = 0;  // the service has settled it with the connection
    for (const Slot& frame : lost) {
        if (frame->over) continue;
        int outcome = SVC_DROPPED_PRODUCER;
        for (const int one : {SVC_PROCESSED, SVC_DROPPED_STALE, SVC_REJECTED, SVC_QUARANTINED})
            if (frame->seq < next_seq &&
                settled_counts[static_cast<std::size_t>(one)] > counts_[static_cast<std::size_t>(one)]) {
                outcome = one;
                break;
            }
        settle(*frame, outcome);
    }
    if (slot_ && !slot_->over && slot_->sent > 0) settle(*slot_, SVC_DROPPED_PRODUCER);
}

void Mailbox::give_up() {
    reconnected(0, {});
    replace();
}

void Mailbox::settle(OutgoingFrame& frame, int outcome, const std::string& reason) {
    frame.over = true;
    ++counts_[static_cast<std::size_t>(outcome)];
    if (outcomes_.size() == most_outcomes) {  // a host that never asks must not fill its memory
        outcomes_.pop_front();
        ++unread_;
    }
    outcomes_.push_back({frame.number, frame.seq, outcome, frame.context, reason});
}

std::optional<FrameOutcome> Mailbox::next_outcome() {
    if (outcomes_.empty()) return std::nullopt;
    FrameOutcome outcome = std::move(outcomes_.front());
    outcomes_.pop_front();
    return outcome;
}

std::int64_t Mailbox::newest_ns() const noexcept { return waits() ? slot_->clock_ns : 0; }

bool Mailbox::idle() const noexcept { return in_flight_.empty() && aborted_ == 0 && !waits(); }

}  // namespace shiftvae::client
