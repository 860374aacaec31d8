#include "waiting_results.hpp"

#include <algorithm>
#include <utility>

namespace shiftvae::client {

namespace {

constexpr std::size_t most_results = 64, most_bytes = 64U << 20U;
constexpr std::size_t most_newest = 256;

}  // namespace

bool WaitingResults::has_room() const noexcept {
    if (latest_) return waiting_.size() < most_newest;
    return waiting_.empty() || (waiting_.size() < most_results && bytes_ < most_bytes);
}

WaitingResults::Place WaitingResults::find(const Result& like, bool complete) {
    return std::find_if(waiting_.begin(), waiting_.end(), [&](const std::unique_ptr<Result>& one) {
        return one->stream() == like.stream() && one->complete() == complete;
    });
}

void WaitingResults::add(std::unique_ptr<Result> result) {
    if (latest_ && result->complete()) {
        const Place band = find(*result, false);
        if (band != waiting_.end()) {
            waiting_.erase(band);
            ++skipped_;
        }
    }
    const Place older = latest_ ? find(*result, result->complete()) : waiting_.end();
    if (older != waiting_.end()) {
        *older = std::move(result);
        ++skipped_;
    } else {
        bytes_ += result->bytes();
        waiting_.push_back(std::move(result));
    }
}

std::unique_ptr<Result> WaitingResults::take() {
    if (waiting_.empty()) return nullptr;
    std::unique_ptr<Result> result = std::move(waiting_.front());
    waiting_.pop_front();
    bytes_ -= std::min(bytes_, result->bytes());
    return result;
}

}  // namespace shiftvae::client
