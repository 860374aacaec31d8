#include "reader.hpp"

#include <exception>
#include <utility>

#include "background_thread.hpp"
#include "clocks.hpp"
#include "common/refusal.hpp"
#include "shiftvae_client.h"

namespace shiftvae::client {

namespace {

constexpr int tick_ms = 100;
constexpr int most_a_turn = 256;  // messages, so that a flood of them does not keep the reader from closing

}  // namespace

Reader::Reader(const std::string& endpoint, std::string stream, bool latest, const char* key_file)
    : stream_(std::move(stream)),
      waiting_(latest),
      connection_(Connection::Kind::reader, endpoint,
                  key_file ? std::optional<Key>(read_key(key_file)) : std::nullopt) {
    thread_ = background_thread([this] { run(); });
}

Reader::~Reader() {
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        closing_ = true;
    }
    connection_.wake();
    thread_.join();
}

bool Reader::next(double timeout_s) {
    std::unique_ptr<Result> result;
    {
        std::unique_lock<std::mutex> lock(mutex_);
        const auto arrived = [&] { return (result = waiting_.take()) != nullptr; };
        if (!arrived() && (!(timeout_s > 0) || !changed_.wait_until(lock, deadline(timeout_s), arrived))) return false;
        ++given_;
    }
    connection_.wake();  // there is room again
    current_ = std::move(result);
    return true;
}

void Reader::counters(std::uint64_t* numbers) {
    const std::lock_guard<std::mutex> lock(mutex_);
    numbers[SVC_GIVEN] = given_;
    numbers[SVC_SKIPPED] = waiting_.skipped();
    numbers[SVC_MISSED] = missed_;
    numbers[SVC_INVALID] = invalid_;
}

bool Reader::connected() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return connected_;
}

std::string Reader::fault() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return fault_;
}

void Reader::run() noexcept {
    const auto going = [this] {
        const std::lock_guard<std::mutex> lock(mutex_);
        return !closing_;
    };
    while (going()) {
        try {
            turn();
        } catch (const std::exception& error) {  // no memory for a result: the next one may be smaller
            note(error.what());
            std::this_thread::sleep_for(std::chrono::milliseconds(tick_ms));
        }
    }
}

void Reader::note(const std::string& fault) noexcept {
    try {
        const std::lock_guard<std::mutex> lock(mutex_);
        ++invalid_;
        fault_ = fault;
    } catch (const std::exception&) {  // no memory for the text; it is counted NOLINT(bugprone-empty-catch)
    }
}

void Reader::turn() {
    const auto has_room = [this] {
        const std::lock_guard<std::mutex> lock(mutex_);
        return waiting_.has_room();
    };
    connection_.wait(tick_ms, has_room() ? ZMQ_POLLIN : 0);
    while (const std::optional<Event> event = connection_.event()) {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (*event == Event::refused)
            fault_ = key_refused;
        else
            connected_ = *event == Event::ready;
    }
    for (int read = 0; read < most_a_turn && has_room(); ++read) {
        std::optional<Received> message = connection_.receive();
        if (!message) return;
        try {
            read_one(*message);
        } catch (const JsonError& error) {
            note(error.what());
        }
    }
}

void Reader::read_one(Received& message) {
    auto result = std::make_unique<Result>(parse_result(message));
    const std::int64_t seq = result->integers[SVC_RESULT_SEQ];
    const std::int64_t missed = result->texts[SVC_EPOCH] == epoch_ ? seq - last_seq_ - 1 : 0;
    epoch_ = result->texts[SVC_EPOCH];
    last_seq_ = seq;
    const std::lock_guard<std::mutex> lock(mutex_);
    if (missed > 0) missed_ += static_cast<std::uint64_t>(missed);
    if (!stream_.empty() && result->stream() != stream_) return;
    waiting_.add(std::move(result));
    changed_.notify_all();
}

}  // namespace shiftvae::client
