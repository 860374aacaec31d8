// What a live producer and the service say to each other beside frames: protocol 3, docs/reference/protocol.md.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "common/json.hpp"

namespace shiftvae::client {

constexpr std::uint64_t protocol = 3;
constexpr std::uint64_t most_count = std::uint64_t{1} << 53U;  // a whole number that every reader of JSON agrees on
constexpr std::uint64_t most_ns = INT64_MAX;
constexpr std::size_t most_control_bytes = 4096;
constexpr std::size_t most_context_bytes = 1024;
constexpr const char* key_refused =
    "it refuses our key or requires one: give the key file of a client that it knows, with the role for this; or it "
    "is not a shiftvae service";

// Counts of frames, at the places SVC_OFFERED to SVC_QUARANTINED.
using Counts = std::array<std::uint64_t, 6>;

std::string hello(const std::string& stream, const std::string& session, std::uint64_t first_seq,
                  const std::string& clock, std::int64_t now_ns);
std::string ping(std::int64_t now_ns);
std::string want(std::int64_t newest_ns);
std::string abort(std::uint64_t seq);
std::string end(std::uint64_t last_seq);

// A message from the service. What its kind does not have is zero or empty.
struct Reply {
    enum class Kind { welcome, pong, grant, credit, ack, error, end_ack, go_away };

    Kind kind{};
    std::uint64_t credit = 0, seq = 0, next_seq = 0, max_frame_bytes = 0, received = 0, answered = 0;
    int outcome = 0;  // of ack and of an error about a frame: SVC_PROCESSED, ...
    Counts counters{};
    std::string epoch, text;
};

// Reads a message. A JsonError names the field that is wrong.
Reply parse_reply(Bytes part);

// Reads an object of counters.
Counts counts_of(const Json& json);

// A text of at most `most` characters.
const std::string& short_text(const Json& json, std::ptrdiff_t most = 256);

// Reads a part of UTF-8 JSON of at most `most` bytes.
Json parse_part(Bytes part, const std::string& name, std::size_t most);

}  // namespace shiftvae::client
