// A producer: a mailbox that any thread fills, and a thread that takes its frames to the service.
#pragma once

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "connection.hpp"
#include "conversation.hpp"

namespace shiftvae::client {

class Producer {
public:
    // Refuses an endpoint, a name or a key that cannot be.
    Producer(const std::string& endpoint, const std::string& stream, const char* key_file);
    ~Producer();

    void set_format(const Format& format);
    // Offers lines of frame `number` from first_line on; whole: they are all of it. The seq of the frame; 0: too late.
    std::uint64_t offer(std::uint64_t number, std::size_t first_line, Lines lines, bool whole, std::string context);
    bool abort(std::uint64_t number);
    std::optional<FrameOutcome> next_outcome();
    // SVC_COUNTERS numbers.
    void counters(std::uint64_t* numbers);
    bool connected();
    std::string status();
    bool wait(double timeout_s);
    // True if the service confirmed the counts.
    bool end(double timeout_s);

private:
    template <class Body>
    void guarded(Body&& body) noexcept;
    void run() noexcept;
    void turn();
    bool send_all();
    Format format();

    std::mutex mutex_;  // of the conversation and its mailbox, the format, and what is below
    std::condition_variable changed_;
    Conversation conversation_;
    std::optional<Format> format_;
    bool abandoned_ = false, done_ = false;
    Connection connection_;  // of the thread, but for `wake`
    std::thread thread_;
};

}  // namespace shiftvae::client
