#include "messages.hpp"

#include "common/refusal.hpp"
#include "common/utf8.hpp"
#include "shiftvae_client.h"

namespace shiftvae::client {

std::string hello(const std::string& stream, const std::string& session, std::uint64_t first_seq,
                  const std::string& clock, std::int64_t now_ns) {
    return "{\"htype\":\"HELLO\",\"protocol\":" + std::to_string(protocol) +
           ",\"mode\":\"live\",\"stream\":" + json_text(stream) + ",\"session\":" + json_text(session) +
           ",\"first_seq\":" + std::to_string(first_seq) + ",\"clock\":" + json_text(clock) +
           ",\"clock_ns\":" + std::to_string(now_ns) + "}";
}

std::string ping(std::int64_t now_ns) { return "{\"htype\":\"PING\",\"clock_ns\":" + std::to_string(now_ns) + "}"; }

std::string want(std::int64_t newest_ns) {
    return "{\"htype\":\"WANT\",\"clock_ns\":" + std::to_string(newest_ns) + "}";
}

std::string abort(std::uint64_t seq) { return "{\"htype\":\"ABORT\",\"seq\":" + std::to_string(seq) + "}"; }

std::string end(std::uint64_t last_seq) { return "{\"htype\":\"END\",\"last_seq\":" + std::to_string(last_seq) + "}"; }

Json parse_part(Bytes part, const std::string& name, std::size_t most) {
    if (part.size > most)
        throw JsonError(name + ": expected at most " + std::to_string(most) + " bytes, got " +
                        std::to_string(part.size));
    if (utf8_length(part.text()) < 0) throw JsonError(name + " is not UTF-8");
    return Json::parse(part, name);
}

const std::string& short_text(const Json& json, std::ptrdiff_t most) {
    if (utf8_length(json.text()) > most)
        throw JsonError("expected a text of at most " + std::to_string(most) + " characters");
    return json.text();
}

Counts counts_of(const Json& json) {
    constexpr const char* names[] = {"offered",       "processed", "dropped_producer",
                                     "dropped_stale", "rejected",  "quarantined"};
    Counts counts{};
    json.only({names[0], names[1], names[2], names[3], names[4], names[5]});
    for (std::size_t i = 0; i < counts.size(); ++i) counts[i] = json.at(names[i]).count(0, most_ns);
    return counts;
}

namespace {

// Words for people; whatever could steer a terminal is replaced.
std::string plain(std::string text) {
    for (char& one : text)
        if (static_cast<unsigned char>(one) < 0x20 || one == 0x7f) one = '?';
    return text;
}

int outcome_of(const Json& json, std::initializer_list<int> allowed) {
    constexpr const char* names[] = {"", "processed", "dropped_producer", "dropped_stale", "rejected", "quarantined"};
    for (const int outcome : allowed)
        if (json.text() == names[outcome]) return outcome;
    throw JsonError("control message: outcome: expected another than " + shown(json.text()));
}

void read_welcome(const Json& json, Reply& reply) {
    json.only({"htype", "protocol", "epoch", "credit", "credit_bytes", "next_seq", "max_frame_bytes", "counters",
               "model_sha256", "last_model_sha256", "dimensions", "channels", "window"});
    json.at("protocol").count(protocol, protocol);
    reply.next_seq = json.at("next_seq").count(0, most_count);
    reply.max_frame_bytes = json.at("max_frame_bytes").count(1, most_count);
}

void read_error(const Json& json, Reply& reply) {
    json.only({"htype", "name", "text", "credit", "seq", "outcome"});
    reply.text = plain(json.at("name").text() + ": " + json.at("text").text());
    if (json.has("seq") && !json.at("seq").is_null()) reply.seq = json.at("seq").count(0, most_count);
    if (json.has("outcome") && !json.at("outcome").is_null())
        reply.outcome = outcome_of(json.at("outcome"), {SVC_REJECTED, SVC_QUARANTINED});
}

}  // namespace

Reply parse_reply(Bytes part) {
    using Kind = Reply::Kind;
    const Json json = parse_part(part, "control message", most_control_bytes);
    const std::string& type = json.at("htype").text();
    Reply reply;
    if (type == "WELCOME") {
        reply.kind = Kind::welcome;
        read_welcome(json, reply);
    } else if (type == "PONG") {
        reply.kind = Kind::pong;
        json.only({"htype", "epoch", "credit", "received", "answered", "counters", "clock_ns"});
        reply.received = json.at("received").count(0, most_count);
        reply.answered = json.at("answered").count(0, most_count);
    } else if (type == "GRANT") {
        reply.kind = Kind::grant;
        json.only({"htype", "credit"});
    } else if (type == "CREDIT") {
        reply.kind = Kind::credit;
        json.only({"htype", "credit", "seq"});
        reply.seq = json.at("seq").count(0, most_count);
    } else if (type == "ACK") {
        reply.kind = Kind::ack;
        json.only({"htype", "credit", "seq", "frame", "outcome", "age_ms"});
        reply.seq = json.at("seq").count(0, most_count);
        reply.outcome = outcome_of(json.at("outcome"), {SVC_PROCESSED, SVC_DROPPED_STALE});
    } else if (type == "ERROR") {
        reply.kind = Kind::error;
        read_error(json, reply);
    } else if (type == "END_ACK") {
        reply.kind = Kind::end_ack;
        json.only({"htype", "epoch", "counters"});
    } else if (type == "GOAWAY") {
        reply.kind = Kind::go_away;
        json.only({"htype", "epoch", "text", "counters"});
        reply.text = plain(json.at("text").text());
    } else {
        throw JsonError("control message: expected a known htype, got " + shown(type));
    }
    if (reply.kind != Kind::end_ack && reply.kind != Kind::go_away)
        reply.credit = json.at("credit").count(0, most_count);
    if (reply.kind == Kind::welcome || reply.kind == Kind::pong || reply.kind == Kind::end_ack ||
        reply.kind == Kind::go_away) {
        reply.epoch = short_text(json.at("epoch"));
        reply.counters = counts_of(json.at("counters"));
    }
    return reply;
}

}  // namespace shiftvae::client
