// A service that says what a test tells it to: the sockets of `shiftvae serve`, and no service behind them.
#pragma once

#include <zmq.h>

#include <chrono>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace false_service {

using Parts = std::vector<std::string>;

constexpr int limit_ms = 20000;
inline const std::string counters =
    R"({"offered":1,"processed":1,"dropped_producer":0,"dropped_stale":0,"rejected":0,"quarantined":0})";

inline std::string welcome(int credit = 1, const std::string& epoch = "e1", int next_seq = 1) {
    return R"({"htype":"WELCOME","protocol":3,"epoch":")" + epoch + R"(","credit":)" + std::to_string(credit) +
           R"(,"credit_bytes":67108864,"next_seq":)" + std::to_string(next_seq) +
           R"(,"max_frame_bytes":67108864,"counters":)" + counters +
           R"(,"model_sha256":"ab","last_model_sha256":"","dimensions":2,"channels":1,"window":[4,4]})";
}
inline std::string ack(int seq, int credit, const std::string& outcome = "processed") {
    return R"({"htype":"ACK","credit":)" + std::to_string(credit) + R"(,"seq":)" + std::to_string(seq) +
           R"(,"frame":7,"outcome":")" + outcome + R"(","age_ms":1.5})";
}
inline std::string credit(int seq, int credit) {
    return R"({"htype":"CREDIT","credit":)" + std::to_string(credit) + R"(,"seq":)" + std::to_string(seq) + "}";
}
inline std::string end_ack() { return R"({"htype":"END_ACK","epoch":"e1","counters":)" + counters + "}"; }

// Header of a whole map of a frame of 8 x 12 px with a window of 4 x 4 px at stride 4: 2 latents, 2 rows, 3 columns.
inline std::string result_header(int seq, const std::string& stream = "s", bool complete = true,
                                 const std::string& more = "") {
    const std::string rows = complete ? "2" : "1";
    return R"({"htype":"array-1.0","type":"float32","dtype":"float32","shape":[2,2,)" + rows +
           R"(,3],"encoding":"little","order":"C","frame":7,"series":1,"source":")" + stream +
           R"(","name":"HAADF","frame_shape":[8,12],"valid_rows":8,"complete":)" + (complete ? "true" : "false") +
           R"(,"seq":)" + std::to_string(seq) +
           R"(,"frame_seq":3,"epoch":"e1","first_row":0,"names":["dy","z1"],"units":["px",""],"varies":[true,false],)" +
           R"("centre_y_px":{"first":1.5,"step":4.0,"count":)" + rows +
           R"(},"centre_x_px":{"first":1.5,"step":4.0,"count":3},"window":[4,4],"stride":4,"pixel_size_nm":[0.02,0.03],)" +
           R"("model_sha256":"ab","age_ms":2.5,"utc_ns":1796040550611546829,"counters":)" + counters +
           R"(,"lattice":null,"domain":{"score":1.25,"windows_out":0.5,"reason":"blurred"},"context":"scan \u00e9")" +
           more + "}";
}
inline std::string result_buffer(bool complete = true) {
    std::vector<float> values(complete ? 24 : 12);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i) / 2;
    std::string bytes(values.size() * sizeof(float), '\0');
    std::memcpy(&bytes[0], values.data(), bytes.size());
    return bytes;
}

// A socket of the service. Used by one thread at a time.
class Socket {
public:
    explicit Socket(int kind) : context_(zmq_ctx_new()), socket_(zmq_socket(context_, kind)) {
        const int now = 0;
        zmq_setsockopt(socket_, ZMQ_LINGER, &now, sizeof now);
        zmq_setsockopt(socket_, ZMQ_RCVTIMEO, &limit_ms, sizeof limit_ms);
        char name[64];
        std::size_t size = sizeof name;
        if (zmq_bind(socket_, "tcp://127.0.0.1:*") || zmq_getsockopt(socket_, ZMQ_LAST_ENDPOINT, name, &size))
            throw std::runtime_error("the false service has no port");
        endpoint = name;
    }
    ~Socket() {
        zmq_close(socket_);
        zmq_ctx_term(context_);
    }
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;

    void send(const Parts& parts) {
        for (std::size_t i = 0; i < parts.size(); ++i)
            zmq_send(socket_, parts[i].data(), parts[i].size(), i + 1 < parts.size() ? ZMQ_SNDMORE : 0);
    }
    Parts receive() {
        Parts parts;
        int more = 1;
        std::size_t size = sizeof more;
        while (more) {
            zmq_msg_t part;
            zmq_msg_init(&part);
            if (zmq_msg_recv(&part, socket_, 0) < 0) throw std::runtime_error("the client said nothing in time");
            parts.emplace_back(static_cast<const char*>(zmq_msg_data(&part)), zmq_msg_size(&part));
            zmq_msg_close(&part);
            zmq_getsockopt(socket_, ZMQ_RCVMORE, &more, &size);
        }
        return parts;
    }

    std::string endpoint;

private:
    void *context_, *socket_;
};

inline bool is(const Parts& message, const std::string& htype) {
    return !message.empty() && message[0].rfind(R"({"htype":")" + htype + '"', 0) == 0;
}

// The ingest socket. It answers the client that was heard last.
class Ingest {
public:
    const std::string& endpoint() const { return socket_.endpoint; }
    void say(const Parts& parts) {
        Parts all = parts;
        all.insert(all.begin(), client_);
        socket_.send(all);
    }
    void say(const std::string& part) { say(Parts{part}); }
    // The next message that is no PING; those are answered, to show that frames were received.
    Parts hear() {
        for (;;) {
            Parts parts = socket_.receive();
            client_ = parts[0];
            parts.erase(parts.begin());
            if (!is(parts, "PING")) return parts;
            say(R"({"htype":"PONG","epoch":"e1","credit":0,"received":1000,"answered":0,"counters":)" + counters +
                R"(,"clock_ns":1})");
        }
    }
    void greet(int credit = 1) {
        while (!is(hear(), "HELLO")) {
        }
        say(welcome(credit));
    }

private:
    Socket socket_{ZMQ_ROUTER};
    std::string client_;
};

// Waits for something that another thread does.
template <class Condition>
bool until(Condition condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(limit_ms);
    while (!condition()) {
        if (std::chrono::steady_clock::now() > end) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return true;
}

}  // namespace false_service
