// The parts of libshiftvae_client that know no sockets: what bytes from the network can do to them.
#include <cmath>
#include <string>

#include "check.hpp"
#include "common/utf8.hpp"
#include "false_service.hpp"
#include "mailbox.hpp"
#include "messages.hpp"
#include "result.hpp"
#include "shiftvae_client.h"
#include "waiting_results.hpp"

using namespace shiftvae;
using namespace shiftvae::client;

namespace {

Bytes bytes_of(const std::string& text) { return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}; }

Part part_of(const std::string& text) {
    Part part(text.size());
    std::memcpy(part.data(), text.data(), text.size());
    return part;
}

std::unique_ptr<Result> parsed(const std::string& header, const std::string& buffer = false_service::result_buffer()) {
    Received message{part_of(header), part_of(buffer), 2};
    return std::make_unique<Result>(parse_result(message));
}

template <class Body>
bool refused(Body&& body) {
    try {
        body();
    } catch (const JsonError&) {
        return true;
    }
    return false;
}

bool reply_refused(const std::string& text) {
    return refused([&] { parse_reply(bytes_of(text)); });
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
    const std::size_t at = text.find(what);
    CHECK(at != std::string::npos);
    return text.replace(at, what.size(), by);
}

Mailbox::Slot frame(std::uint64_t number, std::size_t filled = 4) {
    auto one = std::make_shared<OutgoingFrame>(Format{PixelType::uint8, 1, 4, 3, 0, 0}, number, "c");
    const std::uint8_t pixels[12] = {};
    one->fill({pixels, filled, 0, 0}, 1, 1);
    return one;
}

std::uint64_t count(const Mailbox& mailbox, int which) { return mailbox.counts()[static_cast<std::size_t>(which)]; }

}  // namespace

CASE("UTF-8 is counted in characters, and what is none is refused") {
    CHECK(utf8_length("") == 0 && utf8_length("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80") == 4);
    for (const char* bad : {"\x80", "\xc3", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x80\x80\x80",
                            "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "a\xe2\x82"})
        CHECK(utf8_length(bad) == -1);
    CHECK(json_text("\"\\\n\xc3\xa9") == "\"\\\"\\\\\\u000a\xc3\xa9\"");
}

CASE("answers are read, and an answer with any field missing, unknown or wrong is refused") {
    const std::string welcome = false_service::welcome(3, "e", 9), ack = false_service::ack(5, 2, "dropped_stale");
    const Reply reply = parse_reply(bytes_of(welcome)), second = parse_reply(bytes_of(ack));
    CHECK(reply.kind == Reply::Kind::welcome && reply.credit == 3 && reply.next_seq == 9 && reply.epoch == "e");
    CHECK(reply.counters[SVC_PROCESSED] == 1 && reply.max_frame_bytes == 67108864);
    CHECK(second.seq == 5 && second.outcome == SVC_DROPPED_STALE && second.credit == 2);
    const Reply error = parse_reply(bytes_of(
        R"({"htype":"ERROR","name":"bad_frame","text":"NaN\u001b[2J","credit":2,"seq":1,"outcome":"rejected"})"));
    CHECK(error.text == "bad_frame: NaN?[2J" && error.seq == 1 && error.outcome == SVC_REJECTED);
    CHECK(reply_refused(replaced(welcome, "\"protocol\":3", "\"protocol\":4")));
    CHECK(reply_refused(replaced(welcome, "\"epoch\":\"e\",", "")));
    CHECK(reply_refused(replaced(welcome, "\"credit\":3", "\"credit\":-3")));
    CHECK(reply_refused(replaced(welcome, "\"credit\":3", "\"credit\":9007199254740993")));
    CHECK(reply_refused(replaced(welcome, "\"processed\":1", "\"processed\":1.5")));
    CHECK(reply_refused(replaced(welcome, "\"epoch\":\"e\"", "\"epoch\":\"" + std::string(300, 'e') + "\"")));
    CHECK(reply_refused(replaced(ack, "\"frame\"", "\"other\":1,\"frame\"")));
    CHECK(reply_refused(replaced(ack, "dropped_stale", "rejected")));
    for (const char* bad : {"", "{}", "[]", "null", R"({"htype":"HELLO"})", R"({"htype":5})", "{\"htype\":\"\xff\"}"})
        CHECK(reply_refused(bad));
    CHECK(reply_refused(R"({"htype":"GRANT","credit":1})" + std::string(5000, ' ')));
}

CASE("an answer or a header with any byte changed, or cut anywhere, is read or refused, and nothing else") {
    for (const std::string& text : {false_service::welcome(), false_service::result_header(1)}) {
        const bool answer = text.find("WELCOME") != std::string::npos;
        const auto read = [&](const std::string& changed) {
            refused([&] {
                if (answer) {
                    parse_reply(bytes_of(changed));
                } else {
                    const auto result = parsed(changed);
                    CHECK(result->integers[SVC_LATENTS] * result->integers[SVC_ROWS] * result->integers[SVC_COLS] ==
                          12);
                }
            });
        };
        for (std::size_t i = 0; i < text.size(); ++i) {
            read(text.substr(0, i));
            for (const char byte : {'\0', '"', '9', '-', '\xff', '}', ','}) {
                std::string changed = text;
                changed[i] = byte;
                read(changed);
            }
        }
    }
}

CASE("a result is read with all that its header says") {
    const auto result = parsed(false_service::result_header(4));
    CHECK(result->integers[SVC_FRAME_NUMBER] == 7 && result->integers[SVC_FRAME_SEQ] == 3 &&
          result->integers[SVC_SERIES] == 1 && result->integers[SVC_COMPLETE] == 1);
    CHECK(result->integers[SVC_LATENTS] == 2 && result->integers[SVC_ROWS] == 2 && result->integers[SVC_COLS] == 3 &&
          result->integers[SVC_FIRST_ROW] == 0 && result->integers[SVC_STRIDE] == 4);
    CHECK(result->integers[SVC_UTC_NS] == 1796040550611546829);  // a double would have rounded it
    CHECK(result->numbers[SVC_CENTRE_Y_PX] == 1.5 && result->numbers[SVC_PIXEL_SIZE_X_NM] == 0.03 &&
          result->numbers[SVC_AGE_MS] == 2.5 && result->numbers[SVC_SCORE] == 1.25);
    CHECK(result->texts[SVC_CONTEXT] == "scan \xc3\xa9" && result->texts[SVC_REASON] == "blurred" &&
          result->texts[SVC_CHANNEL] == "HAADF" && result->texts[SVC_EPOCH] == "e1");
    CHECK(result->latents[1].name == "z1" && result->latents[0].unit == "px" && !result->latents[1].varies);
    for (int i = 0; i < 12; ++i)
        CHECK(result->mean()[i] == static_cast<float>(i) / 2 && result->std()[i] == static_cast<float>(12 + i) / 2);
}

CASE("a result without verdict and pixel size has no numbers there") {
    std::string header = replaced(false_service::result_header(4), "[0.02,0.03]", "null");
    header = replaced(header, R"(,"domain":{"score":1.25,"windows_out":0.5,"reason":"blurred"})", "");
    const auto result = parsed(header);
    CHECK(std::isnan(result->numbers[SVC_SCORE]) && std::isnan(result->numbers[SVC_PIXEL_SIZE_Y_NM]));
    CHECK(result->texts[SVC_REASON].empty());
}

CASE("a result that contradicts itself, or promises more than it has, is refused before anything is made") {
    const std::string good = false_service::result_header(1), buffer = false_service::result_buffer();
    const auto bad = [&](const std::string& what, const std::string& by) {
        CHECK(refused([&] { parsed(replaced(good, what, by)); }));
    };
    bad("[2,2,2,3]", "[2,2147483647,2147483647,2147483647]");
    bad("[2,2,2,3]", "[2,2,2147483647,3]");
    bad("[2,2,2,3]", "[2,2,2,4]");
    bad("[2,2,2,3]", "[2,2,2]");
    bad("[2,2,2,3]", "[1,2,2,3]");
    bad("[2,2,2,3]", "[2,3,2,3]");
    bad("[2,2,2,3]", "[2,2,99999999999999999999,3]");
    bad("float32", "float64");
    bad("\"first_row\":0", "\"first_row\":1");
    bad("\"first_row\":0", "\"first_row\":9007199254740992");
    bad("\"window\":[4,4]", "\"window\":[9,4]");
    bad("\"stride\":4", "\"stride\":0");
    bad("\"stride\":4", "\"stride\":1");
    bad("\"count\":3", "\"count\":4");
    bad("\"step\":4.0", "\"step\":-4.0");
    bad("[\"dy\",\"z1\"]", "[\"dy\"]");
    bad("[\"dy\",\"z1\"]", "[\"dy\",\"" + std::string(257, 'z') + "\"]");
    bad("[true,false]", "[true,0]");
    bad("[0.02,0.03]", "[0.02,-0.03]");
    bad("\"utc_ns\":1796040550611546829", "\"utc_ns\":9223372036854775808");
    bad("\"score\":1.25", "\"score\":1e999");
    bad("scan \\u00e9", std::string(1025, 'c'));
    bad("\"lattice\"", "\"other\"");
    CHECK(refused([&] { parsed(good, buffer.substr(1)); }));
    CHECK(refused([&] { parsed(good, buffer + "    "); }));
    CHECK(refused([&] { parsed(good + std::string(262144, ' ')); }));
    Received one{part_of(good), Part(), 1}, three{part_of(good), part_of(buffer), 3};
    CHECK(refused([&] { parse_result(one); }) && refused([&] { parse_result(three); }));
    CHECK(!refused([&] { parsed(good); }));
}

CASE("a frame that is replaced while it is on its way gets the service's outcome, one that is not is dropped") {
    Mailbox mailbox;
    mailbox.begin(frame(1));
    CHECK(mailbox.take(1000)->last == 4 && mailbox.first_seq() == 2);
    mailbox.begin(frame(2));
    CHECK(count(mailbox, SVC_DROPPED_PRODUCER) == 0);
    mailbox.begin(frame(3));
    CHECK(count(mailbox, SVC_DROPPED_PRODUCER) == 1 && count(mailbox, SVC_OFFERED) == 3);
    mailbox.settled(1, SVC_PROCESSED, "");
    CHECK(count(mailbox, SVC_PROCESSED) == 1 && !mailbox.in_flight() && !mailbox.idle());
    CHECK(mailbox.next_outcome()->number == 2 && mailbox.next_outcome()->number == 1 && !mailbox.next_outcome());
}

CASE("a frame too large for one message goes in bands, and a line too large for any is dropped") {
    Mailbox mailbox;
    mailbox.begin(frame(1));
    CHECK(mailbox.take(7)->last == 2 && mailbox.take(7)->first == 2 && !mailbox.take(7));
    mailbox.begin(frame(2));
    CHECK(!mailbox.take(2) && count(mailbox, SVC_DROPPED_PRODUCER) == 1);
}

CASE("after a loss, the service's counts decide about the frame that was on its way") {
    for (const bool counted : {false, true}) {
        Mailbox mailbox;
        mailbox.begin(frame(1));
        mailbox.take(1000);
        Counts settled{};
        settled[SVC_REJECTED] = counted;
        mailbox.reconnected(2, settled);
        CHECK(count(mailbox, counted ? SVC_REJECTED : SVC_DROPPED_PRODUCER) == 1 && mailbox.idle());
    }
}

CASE("a host that never asks for outcomes keeps the last 1024, and is told how many it missed") {
    Mailbox mailbox;
    for (std::uint64_t i = 0; i < 1030; ++i) mailbox.begin(frame(i));
    CHECK(mailbox.unread() == 5 && count(mailbox, SVC_DROPPED_PRODUCER) == 1029);
    CHECK(mailbox.next_outcome()->number == 5);
}

CASE("a display has the newest band and the newest map of each stream, in turn; a recorder has all") {
    for (const bool latest : {true, false}) {
        WaitingResults waiting(latest);
        for (const char* stream : {"a", "b"})
            for (int seq = 1; seq <= 3; ++seq) {
                waiting.add(parsed(false_service::result_header(seq, stream)));
                waiting.add(
                    parsed(false_service::result_header(10 + seq, stream, false), false_service::result_buffer(false)));
            }
        std::string order;
        while (const auto result = waiting.take())
            order += result->stream() + std::to_string(result->integers[SVC_RESULT_SEQ]) + " ";
        CHECK(order == (latest ? "a3 a13 b3 b13 " : "a1 a11 a2 a12 a3 a13 b1 b11 b2 b12 b3 b13 "));
        CHECK(waiting.skipped() == (latest ? 8U : 0U));
    }
}

CASE("a recorder that is slow lets results wait outside") {
    WaitingResults waiting(false);
    int held = 0;
    for (; waiting.has_room(); ++held) waiting.add(parsed(false_service::result_header(1)));
    CHECK(held == 64 && waiting.take() && waiting.has_room());
}
