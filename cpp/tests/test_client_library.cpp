// libshiftvae_client through its header, against a service that says what it should not.
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "check.hpp"
#include "false_service.hpp"
#include "shiftvae_client.h"

using namespace false_service;

namespace {

struct CloseProducer {
    void operator()(svc_producer* one) const { svc_producer_close(one); }
};
struct CloseReader {
    void operator()(svc_reader* one) const { svc_reader_close(one); }
};
using OwnedProducer = std::unique_ptr<svc_producer, CloseProducer>;
using OwnedReader = std::unique_ptr<svc_reader, CloseReader>;

constexpr int height = 4, width = 3, channels = 2;

OwnedProducer producer_at(const std::string& endpoint, const char* stream = "s") {
    svc_producer* producer = nullptr;
    CHECK(svc_producer_open(endpoint.c_str(), stream, nullptr, &producer) == SVC_OK);
    CHECK(svc_producer_format(producer, SVC_UINT16, channels, height, width, 0.5, 0.25) == SVC_OK);
    return OwnedProducer(producer);
}

OwnedReader reader_at(const std::string& endpoint, const char* stream = nullptr, int latest = 0) {
    svc_reader* reader = nullptr;
    CHECK(svc_reader_open(endpoint.c_str(), stream, latest, nullptr, &reader) == SVC_OK);
    return OwnedReader(reader);
}

std::vector<std::uint16_t> pixels() {
    std::vector<std::uint16_t> all(channels * height * width);
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint16_t>(1000 + i);
    return all;
}

std::string bytes(const std::vector<std::uint16_t>& all) {
    return {reinterpret_cast<const char*>(all.data()), all.size() * sizeof all[0]};
}

std::vector<std::uint64_t> counts(svc_producer* producer) {
    std::vector<std::uint64_t> all(SVC_COUNTERS);
    CHECK(svc_producer_counters(producer, all.data()) == SVC_OK);
    return all;
}

std::uint64_t settled(const std::vector<std::uint64_t>& all) {
    return all[SVC_PROCESSED] + all[SVC_DROPPED_PRODUCER] + all[SVC_DROPPED_STALE] + all[SVC_REJECTED] +
           all[SVC_QUARANTINED];
}

// Answers every frame message until END, and counts the messages.
int serve_to_the_end(Ingest& ingest) {
    int frames = 0;
    for (;;) {
        const Parts message = ingest.hear();
        if (is(message, "END")) break;
        if (message.size() != 2) continue;
        ++frames;
        const std::size_t at = message[0].find("\"seq\":") + 6;
        const int seq = std::stoi(message[0].substr(at));
        const bool complete = message[0].find("\"complete\":true") != std::string::npos;
        ingest.say(complete ? ack(seq, frames + 1) : credit(seq, frames + 1));
    }
    ingest.say(end_ack());
    return frames;
}

}  // namespace

CASE("a frame goes out as the protocol says, whatever its lines lie like, and its outcome comes back") {
    Ingest ingest;
    const OwnedProducer producer = producer_at(ingest.endpoint());
    const Parts hello = ingest.hear();
    CHECK(hello.size() == 1 && hello[0].rfind(R"({"htype":"HELLO","protocol":3,"mode":"live","stream":"s",)", 0) == 0);
    ingest.say(welcome());
    CHECK(svc_producer_wait(producer.get(), 20) == SVC_OK && svc_producer_connected(producer.get()) == 1);
    const std::vector<std::uint16_t> all = pixels();
    std::vector<std::uint16_t> upside_down(all.size());  // the last line of the last channel comes first
    for (std::size_t line = 0; line < channels * height; ++line)
        for (std::size_t x = 0; x < width; ++x)
            upside_down[(channels * height - 1 - line) * width + x] = all[line * width + x];
    std::uint64_t seq = 0;
    const std::ptrdiff_t line_stride = -width * 2, channel_stride = height * line_stride;
    CHECK(svc_producer_offer(producer.get(), 41, &upside_down[(channels * height - 1) * width], line_stride,
                             channel_stride, "a \"context\"", &seq) == SVC_OK);
    CHECK(seq == 1);
    const Parts message = ingest.hear();
    const std::string start =
        R"({"htype":"array-1.0","type":"uint16","dtype":"uint16","shape":[2,4,3],"encoding":"little","order":"C",)"
        R"("frame":41,"series":0,"source":"s","name":"","context":"a \"context\"","frame_shape":[4,3],)"
        R"("roi":[0,0,4,3],"valid_rows":4,"complete":true,"seq":1,"pixel_size_nm":[0.5,0.25],"clock_ns":)";
    CHECK(message.size() == 2 && message[0].rfind(start, 0) == 0 && message[1] == bytes(all));
    ingest.say(ack(1, 2));
    std::uint64_t number = 0;
    int outcome = 0;
    CHECK(until([&] { return svc_producer_outcome(producer.get(), &number, &seq, &outcome) == SVC_OK; }));
    CHECK(number == 41 && seq == 1 && outcome == SVC_PROCESSED);
    CHECK(std::string(svc_producer_context(producer.get())) == "a \"context\"");
    std::thread service([&] { serve_to_the_end(ingest); });
    CHECK(svc_producer_end(producer.get(), 20) == SVC_OK);
    service.join();
    CHECK(counts(producer.get())[SVC_PROCESSED] == 1 && settled(counts(producer.get())) == 1);
    CHECK(svc_producer_offer(producer.get(), 42, all.data(), 0, 0, nullptr, &seq) == SVC_LATE && seq == 0);
}

CASE("lines of two channels keep their order, an abort is said, and lines after it are late") {
    Ingest ingest;
    const OwnedProducer producer = producer_at(ingest.endpoint());
    ingest.greet(9);
    const std::vector<std::uint16_t> all = pixels();
    const auto offer = [&](int first, int count) {
        const std::ptrdiff_t channel_stride = height * width * 2;
        return svc_producer_offer_lines(producer.get(), 5, first, count, all.data() + first * width, 0, channel_stride,
                                        nullptr, nullptr);
    };
    CHECK(offer(0, 2) == SVC_OK);
    const Parts first = ingest.hear();
    std::vector<std::uint16_t> expected(all.begin(), all.begin() + 2 * width);
    expected.insert(expected.end(), all.begin() + height * width, all.begin() + (height + 2) * width);
    CHECK(first.size() == 2 && first[1] == bytes(expected));
    CHECK(first[0].find(R"("shape":[2,2,3])") != std::string::npos &&
          first[0].find(R"("valid_rows":2,"complete":false)") != std::string::npos);
    CHECK(svc_producer_format(producer.get(), SVC_FLOAT64, 1, 2, 100, 0, 0) == SVC_OK);  // for the next frame only
    CHECK(offer(2, 1) == SVC_OK);
    ingest.say(credit(1, 9));
    const Parts second = ingest.hear();
    expected.assign(all.begin() + 2 * width, all.begin() + 3 * width);
    expected.insert(expected.end(), all.begin() + (height + 2) * width, all.begin() + (height + 3) * width);
    CHECK(second.size() == 2 && second[1] == bytes(expected));
    CHECK(offer(4, 1) == SVC_LINES);
    CHECK(std::string(svc_producer_error(producer.get())).find("expected line 3 of 4") != std::string::npos);
    CHECK(offer(1, 1) == SVC_LATE);
    CHECK(svc_producer_abort(producer.get(), 6) == SVC_LATE && svc_producer_abort(producer.get(), 5) == SVC_OK);
    CHECK(offer(3, 1) == SVC_LATE);
    ingest.say(credit(1, 9));
    CHECK(ingest.hear()[0] == R"({"htype":"ABORT","seq":1})");
    ingest.say(credit(1, 9));
    std::thread service([&] { serve_to_the_end(ingest); });
    CHECK(svc_producer_end(producer.get(), 20) == SVC_OK);
    service.join();
    const std::vector<std::uint64_t> all_counts = counts(producer.get());
    CHECK(all_counts[SVC_OFFERED] == 1 && all_counts[SVC_DROPPED_PRODUCER] == 1 && all_counts[SVC_LATE_CALLS] == 2);
}

CASE("an answer that breaks the protocol costs the contact, which is made again on a new socket") {
    Ingest ingest;
    const OwnedProducer producer = producer_at(ingest.endpoint());
    const std::vector<std::uint16_t> all = pixels();
    for (const Parts& hostile : {Parts{"\xff\xfe{"}, Parts{ack(1, 1), ""}, Parts{std::string(8000, '[')}}) {
        ingest.greet();
        CHECK(svc_producer_wait(producer.get(), 20) == SVC_OK);
        CHECK(svc_producer_offer(producer.get(), 1, all.data(), 0, 0, nullptr, nullptr) == SVC_OK);
        while (ingest.hear().size() != 2) {
        }
        ingest.say(hostile);
        CHECK(until([&] { return !svc_producer_connected(producer.get()); }));
        CHECK(std::string(svc_producer_status(producer.get())).find("breaks protocol 3") != std::string::npos);
    }
    ingest.greet();
    std::thread service([&] { serve_to_the_end(ingest); });
    CHECK(svc_producer_end(producer.get(), 20) == SVC_OK);
    service.join();
    CHECK(counts(producer.get())[SVC_OFFERED] == 3 && settled(counts(producer.get())) == 3);
}

CASE("threads may offer, abort, count and read outcomes at the same time, and everything adds up") {
    Ingest ingest;
    const OwnedProducer producer = producer_at(ingest.endpoint());
    std::thread service([&] {
        ingest.greet(2);
        serve_to_the_end(ingest);
    });
    std::atomic<int> calls{0}, outcomes{0};
    std::atomic<bool> over{false};
    std::vector<std::thread> threads;
    for (std::uint64_t thread = 0; thread < 3; ++thread)
        threads.emplace_back([&, thread] {
            const std::vector<std::uint16_t> all = pixels();
            for (std::uint64_t i = 0; i < 200; ++i) {
                const std::uint64_t number = 1000 * thread + i;
                if (i % 3 == 0) {
                    svc_producer_offer_lines(producer.get(), number, 0, 2, all.data(), 0, 24, "x", nullptr);
                    if (i % 2) svc_producer_abort(producer.get(), number);
                    const int code =
                        svc_producer_offer_lines(producer.get(), number, 2, 2, all.data() + 6, 0, 24, nullptr, nullptr);
                    CHECK(code == SVC_OK || code == SVC_LATE);
                } else {
                    CHECK(svc_producer_offer(producer.get(), number, all.data(), 0, 0, "x", nullptr) == SVC_OK);
                }
                ++calls;
                svc_producer_connected(producer.get());
                if (thread == 0) svc_producer_format(producer.get(), SVC_UINT16, channels, height, width, 0, 0);
            }
        });
    std::thread host([&] {
        while (!over) {
            while (svc_producer_outcome(producer.get(), nullptr, nullptr, nullptr) == SVC_OK) ++outcomes;
            svc_producer_status(producer.get());
            CHECK(settled(counts(producer.get())) <= 600);
        }
    });
    for (std::thread& thread : threads) thread.join();
    CHECK(svc_producer_end(producer.get(), 20) == SVC_OK);
    over = true;
    host.join();
    service.join();
    while (svc_producer_outcome(producer.get(), nullptr, nullptr, nullptr) == SVC_OK) ++outcomes;
    const std::vector<std::uint64_t> all = counts(producer.get());
    CHECK(calls == 600 && all[SVC_OFFERED] == 600 && settled(all) == 600 && outcomes == 600 && all[SVC_UNREAD] == 0);
}

CASE("without a service the newest frame waits, and an end in time drops it") {
    const OwnedProducer producer = producer_at("tcp://127.0.0.1:9");
    const std::vector<std::uint16_t> all = pixels();
    CHECK(svc_producer_wait(producer.get(), 0.01) == SVC_NONE && svc_producer_connected(producer.get()) == 0);
    for (std::uint64_t number = 0; number < 3; ++number)
        CHECK(svc_producer_offer(producer.get(), number, all.data(), 0, 0, nullptr, nullptr) == SVC_OK);
    CHECK(svc_producer_end(producer.get(), 0.05) == SVC_NONE);
    CHECK(counts(producer.get())[SVC_DROPPED_PRODUCER] == 3);
    std::uint64_t number = 9;
    for (std::uint64_t i = 0; i < 3; ++i)
        CHECK(svc_producer_outcome(producer.get(), &number, nullptr, nullptr) == SVC_OK && number == i);
    CHECK(svc_producer_outcome(producer.get(), &number, nullptr, nullptr) == SVC_NONE);
}

CASE("mistakes have a code and a text, and a handle that could not be opened only tells why") {
    const auto fails = [](const char* endpoint, const char* stream, const char* key, const char* words) {
        svc_producer* producer = nullptr;
        CHECK(svc_producer_open(endpoint, stream, key, &producer) == SVC_ARGUMENT);
        CHECK(std::string(svc_producer_error(producer)).find(words) != std::string::npos);
        CHECK(svc_producer_offer(producer, 0, "", 0, 0, nullptr, nullptr) == SVC_ARGUMENT);
        CHECK(svc_producer_connected(producer) == 0 && svc_producer_end(producer, 0) == SVC_ARGUMENT);
        svc_producer_close(producer);
    };
    for (const char* endpoint : {"127.0.0.1:5701", "tcp://:1", "tcp://h:70000", "tcp://h:", "tcp://h:1/x", "ipc://x"})
        fails(endpoint, "s", nullptr, "tcp://HOST:PORT");
    for (const char* stream : {"", " s", "s ", "a\nb", "\xff"}) fails("tcp://127.0.0.1:9", stream, nullptr, "name");
    fails("tcp://127.0.0.1:9", "s", "/no/such/file.key", "cannot read the key file");
    fails(nullptr, "s", nullptr, "null");
    const OwnedProducer producer = producer_at("tcp://127.0.0.1:9");
    svc_producer* const one = producer.get();
    CHECK(svc_producer_format(one, 7, 1, 4, 3, 0, 0) == SVC_ARGUMENT);
    CHECK(svc_producer_format(one, SVC_UINT8, 1, 8193, 8193, 0, 0) == SVC_ARGUMENT);
    CHECK(svc_producer_format(one, SVC_UINT8, 0, 4, 3, 0, 0) == SVC_ARGUMENT);
    CHECK(svc_producer_format(one, SVC_UINT8, 1, 4, 3, 0.1, 0) == SVC_ARGUMENT);
    CHECK(svc_producer_offer(one, 0, nullptr, 0, 0, nullptr, nullptr) == SVC_ARGUMENT);
    CHECK(svc_producer_offer(one, UINT64_MAX, "", 0, 0, nullptr, nullptr) == SVC_ARGUMENT);
    CHECK(svc_producer_offer(one, 0, "", 0, 0, std::string(1025, 'c').c_str(), nullptr) == SVC_ARGUMENT);
    CHECK(svc_producer_offer(one, 0, "", 0, 0, "\xff", nullptr) == SVC_ARGUMENT);
    CHECK(svc_producer_offer_lines(one, 0, -1, 1, "", 0, 0, nullptr, nullptr) == SVC_ARGUMENT);
    CHECK(svc_producer_offer_lines(one, 0, 0, 5, "", 0, 0, nullptr, nullptr) == SVC_LINES);
    CHECK(counts(one)[SVC_OFFERED] == 0);
    CHECK(svc_producer_open("", "", nullptr, nullptr) == SVC_ARGUMENT);
    CHECK(svc_producer_outcome(nullptr, nullptr, nullptr, nullptr) == SVC_ARGUMENT);
    CHECK(*svc_producer_error(nullptr) == 0 && *svc_reader_text(nullptr, 0) == 0);
    CHECK(svc_reader_mean(nullptr) == nullptr && svc_reader_next(nullptr, 0) == SVC_ARGUMENT);
    svc_producer_close(nullptr);
    svc_reader_close(nullptr);
}

CASE("a reader gives the results of its stream, counts what it missed, and passes over what is no result") {
    Socket results(ZMQ_XPUB);
    const OwnedReader reader = reader_at(results.endpoint, "s");
    CHECK(svc_reader_next(reader.get(), 0) == SVC_NONE && svc_reader_mean(reader.get()) == nullptr);
    CHECK(results.receive()[0] == std::string(1, '\1'));
    const std::string huge = "[2,2147483647,2147483647,2147483647]";
    std::string hostile = result_header(2);
    hostile.replace(hostile.find("[2,2,2,3]"), 9, huge);
    results.send({result_header(1), result_buffer()});
    for (const Parts& message : {Parts{"no result"}, Parts{hostile, result_buffer()}, Parts{result_header(2), "short"},
                                 Parts{result_header(2), result_buffer(), "more"}, Parts{std::string(300000, ' '), ""}})
        results.send(message);
    results.send({result_header(2, "other"), result_buffer()});
    results.send({result_header(5), result_buffer()});
    CHECK(svc_reader_next(reader.get(), 20) == SVC_OK && svc_reader_integer(reader.get(), SVC_RESULT_SEQ) == 1);
    CHECK(svc_reader_next(reader.get(), 20) == SVC_OK && svc_reader_integer(reader.get(), SVC_RESULT_SEQ) == 5);
    CHECK(svc_reader_mean(reader.get())[11] == 5.5F && svc_reader_std(reader.get())[0] == 6.0F);
    CHECK(std::string(svc_reader_text(reader.get(), SVC_STREAM)) == "s" && svc_reader_connected(reader.get()) == 1);
    CHECK(std::string(svc_reader_latent_name(reader.get(), 1)) == "z1" && !svc_reader_latent_name(reader.get(), 2));
    CHECK(std::string(svc_reader_latent_unit(reader.get(), 0)) == "px" && svc_reader_varies(reader.get(), 1) == 0);
    CHECK(svc_reader_integer(reader.get(), 99) == 0 && *svc_reader_text(reader.get(), -1) == 0);
    std::uint64_t outcomes[6], counters_of[SVC_READER_COUNTERS];
    CHECK(svc_reader_outcomes(reader.get(), outcomes) == SVC_OK && outcomes[SVC_PROCESSED] == 1);
    CHECK(svc_reader_counters(reader.get(), counters_of) == SVC_OK);
    CHECK(counters_of[SVC_GIVEN] == 2 && counters_of[SVC_SKIPPED] == 0 && counters_of[SVC_MISSED] == 2 &&
          counters_of[SVC_INVALID] == 5);
    CHECK(std::string(svc_reader_error(reader.get())).find("at most 262144 bytes") != std::string::npos);
}

CASE("a display that is slow gets the newest map, and knows how many it left out") {
    Socket results(ZMQ_XPUB);
    const OwnedReader reader = reader_at(results.endpoint, nullptr, 1);
    results.receive();
    for (int seq = 1; seq <= 50; ++seq) results.send({result_header(seq), result_buffer()});
    std::uint64_t counters_of[SVC_READER_COUNTERS];
    CHECK(until([&] {
        svc_reader_counters(reader.get(), counters_of);
        return counters_of[SVC_SKIPPED] == 49;
    }));
    CHECK(svc_reader_next(reader.get(), 0) == SVC_OK && svc_reader_integer(reader.get(), SVC_RESULT_SEQ) == 50);
    CHECK(svc_reader_next(reader.get(), 0) == SVC_NONE && svc_reader_integer(reader.get(), SVC_RESULT_SEQ) == 50);
}

CASE("a flood of messages keeps nobody from closing") {
    Socket results(ZMQ_XPUB);
    OwnedReader reader = reader_at(results.endpoint);
    results.receive();
    std::atomic<bool> over{false};
    std::thread service([&] {
        while (!over) results.send({"no result"});
    });
    std::uint64_t counters_of[SVC_READER_COUNTERS];
    CHECK(until([&] {
        svc_reader_counters(reader.get(), counters_of);
        return counters_of[SVC_INVALID] > 1000;
    }));
    reader.reset();
    over = true;
    service.join();
}
