// The place for one frame: the newest waits there, and an older one is counted as dropped.
//
// The lines of one frame collect in the mailbox and none is lost. A new frame replaces the rest of the old one. If
// lines of a frame are on their way when it is replaced, the service's answer decides its outcome, so that both sides
// count alike. The twin of shiftvae_rt/stream/producer/mailbox.py; the caller holds the lock.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "messages.hpp"
#include "outgoing_frame.hpp"

namespace shiftvae::client {

struct FrameOutcome {
    std::uint64_t number = 0, seq = 0;
    int outcome = 0;  // SVC_PROCESSED, ...
    std::string context, reason;
};

// Lines of a frame that are to be sent as one message.
struct LinesToSend {
    std::shared_ptr<const OutgoingFrame> frame;
    std::size_t first = 0, last = 0;
};

class Mailbox {
public:
    using Slot = std::shared_ptr<OutgoingFrame>;

    // Puts a new frame in and gives it its seq. Returns the frame that was there, for the caller to free without the
    // lock.
    Slot begin(Slot frame);
    // Adds lines to frame `number`; its seq, or 0 if they are too late for it.
    std::uint64_t add(std::uint64_t number, std::size_t first_line, const Lines& lines, std::int64_t clock_ns,
                      std::int64_t utc_ns);
    // Gives up a frame that was put in in part; false if it is over or complete already.
    bool abort(std::uint64_t number);
    // A call that is ignored.
    void note_late() noexcept { ++late_; }

    // Takes the lines that wait, as one message of at most `most` bytes.
    std::optional<LinesToSend> take(std::uint64_t most);
    // Takes the seq of an aborted frame that was sent in part, once nothing of it is unanswered; else 0.
    std::uint64_t take_aborted();
    // The service took lines of frame `seq` and waits for more of it.
    void taken(std::uint64_t seq);
    void settled(std::uint64_t seq, int outcome, const std::string& reason);
    // Decides about the frames that were on their way when the old connection was lost. next_seq: the first frame that
    // the service has not seen; settled: frames of this session that it settled so far.
    void reconnected(std::uint64_t next_seq, const Counts& settled);
    // Counts every frame without an outcome as dropped: nothing more will be sent or answered.
    void give_up();

    // Time of the newest line that waits; 0 if none does.
    std::int64_t newest_ns() const noexcept;
    // The seq after that of the last frame that was sent, wholly or in part.
    std::uint64_t first_seq() const noexcept { return taken_seq_ + 1; }
    bool in_flight() const noexcept { return !in_flight_.empty(); }
    // No line waits to be sent and no answer is outstanding.
    bool idle() const noexcept;

    const Counts& counts() const noexcept { return counts_; }
    std::uint64_t late() const noexcept { return late_; }
    std::uint64_t unread() const noexcept { return unread_; }
    std::optional<FrameOutcome> next_outcome();
    // Frames that have nothing on its way any more, for the caller to free without the lock.
    std::vector<Slot> take_spent() noexcept { return std::exchange(spent_, {}); }

private:
    bool waits() const noexcept { return slot_ && !slot_->over && slot_->filled > slot_->sent; }
    bool is_in_flight(const Slot& frame) const noexcept;
    Slot landed(std::uint64_t seq);
    Slot replace();
    void settle(OutgoingFrame& frame, int outcome, const std::string& reason = "");

    Slot slot_;
    std::deque<Slot> in_flight_;  // the frame of each unanswered message, in the order of sending
    std::uint64_t aborted_ = 0;   // seq; 0: none
    std::uint64_t taken_seq_ = 0, late_ = 0, unread_ = 0;
    Counts counts_{};
    std::deque<FrameOutcome> outcomes_;
    std::vector<Slot> spent_;
};

}  // namespace shiftvae::client
