// Results that came and were not taken yet: all of them, or for a display the newest of each stream.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>

#include "result.hpp"

namespace shiftvae::client {

class WaitingResults {
public:
    explicit WaitingResults(bool latest) : latest_(latest) {}

    // False if the next one has to wait outside.
    bool has_room() const noexcept;
    // With `latest`, a whole map replaces every result of its stream, and a band a band. The streams take turns: a new
    // result has the place of the one that it replaces.
    void add(std::unique_ptr<Result> result);
    // The oldest; null if none waits.
    std::unique_ptr<Result> take();
    // Number of results that were replaced.
    std::uint64_t skipped() const noexcept { return skipped_; }

private:
    using Place = std::deque<std::unique_ptr<Result>>::iterator;
    Place find(const Result& like, bool complete);

    const bool latest_;
    std::deque<std::unique_ptr<Result>> waiting_;
    std::size_t bytes_ = 0;
    std::uint64_t skipped_ = 0;
};

}  // namespace shiftvae::client
