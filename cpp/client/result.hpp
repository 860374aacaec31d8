// A result as it comes: a header, and mean and deviation of the latents.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "connection.hpp"
#include "messages.hpp"

namespace shiftvae::client {

struct Latent {
    std::string name, unit;
    bool varies = false;
};

struct Result {
    std::array<std::int64_t, 16> integers{};  // at SVC_FRAME_NUMBER, ...
    std::array<double, 7> numbers{};          // at SVC_CENTRE_Y_PX, ...
    std::array<std::string, 7> texts;         // at SVC_STREAM, ...
    std::vector<Latent> latents;
    Counts counts{};  // of the stream

    const float* mean() const noexcept;
    const float* std() const noexcept;
    std::size_t bytes() const noexcept { return buffer.bytes().size; }
    bool complete() const noexcept;
    const std::string& stream() const noexcept;

    Part buffer;                 // (2, latents, rows, cols), float32
    std::vector<float> aligned;  // the same where the network put it on an odd address
};

// Reads a message; a JsonError tells what is wrong with it. Takes its buffer.
Result parse_result(Received& message);

}  // namespace shiftvae::client
