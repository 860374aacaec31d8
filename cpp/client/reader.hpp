// A reader: a thread that takes results from the service, and a place from which the host takes them.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "connection.hpp"
#include "waiting_results.hpp"

namespace shiftvae::client {

class Reader {
public:
    // stream: the only one that is given; empty for all. Refuses an endpoint or a key that cannot be.
    Reader(const std::string& endpoint, std::string stream, bool latest, const char* key_file);
    ~Reader();

    // Makes the next result the current one; false if none came in time.
    bool next(double timeout_s);
    // Null before the first.
    const Result* current() const noexcept { return current_.get(); }
    // SVC_READER_COUNTERS numbers.
    void counters(std::uint64_t* numbers);
    bool connected();
    // What was wrong with the last message that is no result, or with our key.
    std::string fault();

private:
    void run() noexcept;
    void turn();
    void read_one(Received& message);
    void note(const std::string& fault) noexcept;

    const std::string stream_;
    std::unique_ptr<Result> current_;

    std::mutex mutex_;  // of what follows
    std::condition_variable changed_;
    WaitingResults waiting_;
    std::uint64_t given_ = 0, missed_ = 0, invalid_ = 0;
    std::string fault_;
    bool connected_ = false, closing_ = false;

    std::string epoch_;  // of the thread, like the rest
    std::int64_t last_seq_ = 0;
    Connection connection_;
    std::thread thread_;
};

}  // namespace shiftvae::client
