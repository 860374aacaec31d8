#include "producer.hpp"

#include <algorithm>
#include <exception>
#include <random>
#include <utility>

#include "background_thread.hpp"
#include "clocks.hpp"
#include "common/refusal.hpp"
#include "common/utf8.hpp"
#include "shiftvae_client.h"

namespace shiftvae::client {

namespace {

constexpr int tick_ms = 100;
constexpr int most_a_turn = 256;  // answers, so that a flood of them keeps nothing else from its turn

// What the service would refuse and we can see; it looks at every character.
std::string stream_name(const std::string& stream) {
    const std::ptrdiff_t length = utf8_length(stream);
    bool valid = length >= 1 && length <= 64 && stream.front() != ' ' && stream.back() != ' ';
    for (const char one : stream) valid = valid && static_cast<unsigned char>(one) >= 0x20 && one != 0x7f;
    if (!valid)
        refuse(SVC_ARGUMENT,
               "expected a stream's name of 1 to 64 printable characters of UTF-8 without a blank at either end, got " +
                   shown(stream));
    return stream;
}

std::string random_name() {
    std::random_device random;
    std::string name;
    for (int i = 0; i < 32; ++i) name += "0123456789abcdef"[random() % 16U];
    return name;
}

}  // namespace

Producer::Producer(const std::string& endpoint, const std::string& stream, const char* key_file)
    : conversation_(stream_name(stream), random_name(), clock_name()),
      connection_(Connection::Kind::producer, endpoint,
                  key_file ? std::optional<Key>(read_key(key_file)) : std::nullopt) {
    thread_ = background_thread([this] { run(); });
}

Producer::~Producer() { end(0); }

void Producer::set_format(const Format& format) {
    const std::lock_guard<std::mutex> lock(mutex_);
    format_ = format;
}

Format Producer::format() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!format_) refuse(SVC_ARGUMENT, "the frames have no format yet: call svc_producer_format");
    return *format_;
}

std::uint64_t Producer::offer(std::uint64_t number, std::size_t first_line, Lines lines, bool whole,
                              std::string context) {
    const Format of_new = format();
    if (whole) lines.count = of_new.height;
    if (first_line == 0 && lines.count > of_new.height)
        refuse(SVC_LINES, "expected at most the " + std::to_string(of_new.height) + " lines of the frame, got " +
                              std::to_string(lines.count));
    const std::int64_t now_ns = monotonic_ns(), now_utc_ns = utc_ns();
    Mailbox::Slot frame, before;  // made and freed without the lock: that takes as long as the frame is large
    std::uint64_t seq = 0;
    if (first_line == 0) {
        frame = std::make_shared<OutgoingFrame>(of_new, number, std::move(context));
        frame->fill(lines, now_ns, now_utc_ns);
    }
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        Mailbox& mailbox = conversation_.mailbox;
        if (conversation_.closing() || done_) {
            mailbox.note_late();
            return 0;
        }
        if (frame) {
            before = mailbox.begin(frame);
            seq = frame->seq;
        } else {
            seq = mailbox.add(number, first_line, lines, now_ns, now_utc_ns);
        }
    }
    connection_.wake();
    return seq;
}

bool Producer::abort(std::uint64_t number) {
    bool aborted = false;
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        aborted = conversation_.mailbox.abort(number);
    }
    connection_.wake();
    return aborted;
}

std::optional<FrameOutcome> Producer::next_outcome() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return conversation_.mailbox.next_outcome();
}

void Producer::counters(std::uint64_t* numbers) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const Mailbox& mailbox = conversation_.mailbox;
    std::copy(mailbox.counts().begin(), mailbox.counts().end(), numbers);
    numbers[SVC_LATE_CALLS] = mailbox.late();
    numbers[SVC_UNREAD] = mailbox.unread();
}

bool Producer::connected() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return conversation_.state() == Conversation::State::open;
}

std::string Producer::status() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return conversation_.status;
}

bool Producer::wait(double timeout_s) {
    std::unique_lock<std::mutex> lock(mutex_);
    return changed_.wait_until(lock, deadline(timeout_s),
                               [this] { return conversation_.state() == Conversation::State::open; });
}

bool Producer::end(double timeout_s) {
    {
        std::unique_lock<std::mutex> lock(mutex_);
        conversation_.finish();
        connection_.wake();
        changed_.wait_until(lock, deadline(timeout_s - conversation_.absent_s(monotonic_ns())),
                            [this] { return done_; });
        abandoned_ = true;
    }
    connection_.wake();
    if (thread_.joinable()) thread_.join();
    const std::lock_guard<std::mutex> lock(mutex_);
    return conversation_.state() == Conversation::State::ended;
}

// With the lock; where there is no memory, nothing may end the host's process.
template <class Body>
void Producer::guarded(Body&& body) noexcept {
    try {
        const std::lock_guard<std::mutex> lock(mutex_);
        body();
    } catch (const std::exception&) {  // the next turn comes soon NOLINT(bugprone-empty-catch)
    }
}

void Producer::run() noexcept {
    const auto going = [this] {
        const std::lock_guard<std::mutex> lock(mutex_);
        return conversation_.state() != Conversation::State::ended && !abandoned_;
    };
    while (going()) {
        try {
            turn();
        } catch (const std::exception& error) {  // no memory, no socket: try again with a new one
            std::this_thread::sleep_for(std::chrono::milliseconds(tick_ms));
            guarded([&] { conversation_.lose(monotonic_ns(), error.what()); });
        }
    }
    guarded([this] { conversation_.mailbox.give_up(); });
    const std::lock_guard<std::mutex> lock(mutex_);
    done_ = true;
    changed_.notify_all();
}

// Sends what there is to send; false if the socket takes no more.
bool Producer::send_all() {
    while (connection_.writable()) {
        std::optional<Message> message;
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            message = conversation_.next(monotonic_ns());
        }
        if (!message) return true;
        std::vector<Part> parts;
        parts.emplace_back(message->head.size());
        std::copy(message->head.begin(), message->head.end(), parts[0].data());
        if (const LinesToSend& lines = message->lines; lines.frame) {
            parts.emplace_back((lines.last - lines.first) * lines.frame->format.row_bytes());
            lines.frame->copy_lines(lines.first, lines.last, parts[1].data());
        }
        if (!connection_.send(parts)) {  // the connection ended after the look at it
            const std::lock_guard<std::mutex> lock(mutex_);
            conversation_.disconnected(monotonic_ns());
        }
    }
    return false;
}

void Producer::turn() {
    bool renew = false;
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        renew = conversation_.reopen(monotonic_ns());
    }
    if (renew) connection_.renew();
    connection_.wait(tick_ms, send_all() ? ZMQ_POLLIN : ZMQ_POLLIN | ZMQ_POLLOUT);
    for (int read = 0; read < most_a_turn; ++read) {
        const std::optional<Received> message = connection_.receive();
        if (!message) break;
        std::optional<Reply> reply;
        std::string fault;
        try {
            if (message->parts != 1) throw JsonError("an answer has one part, got " + std::to_string(message->parts));
            reply = parse_reply(message->first.bytes());
        } catch (const JsonError& error) {
            fault = "the service sent a message that breaks protocol " + std::to_string(protocol) + ": " + error.what();
        }
        const std::lock_guard<std::mutex> lock(mutex_);
        if (reply)
            conversation_.hear(*reply, monotonic_ns());
        else
            conversation_.lose(monotonic_ns(), fault);
        changed_.notify_all();
    }
    while (const std::optional<Event> event = connection_.event()) {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (*event == Event::ended) conversation_.disconnected(monotonic_ns());
        if (*event == Event::refused) conversation_.status = key_refused;
    }
    std::vector<Mailbox::Slot> spent;  // freed without the lock
    const std::lock_guard<std::mutex> lock(mutex_);
    spent = conversation_.mailbox.take_spent();
    conversation_.check(monotonic_ns());
}

}  // namespace shiftvae::client
