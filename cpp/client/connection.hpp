// The socket of a client: connects now or once a service listens, tells of the state of the connection, and can be
// replaced by a new one. The only room that knows libzmq.
#pragma once

#include <zmq.h>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/bytes.hpp"
#include "key_file.hpp"

namespace shiftvae::client {

// A part of a message, as libzmq holds it.
class Part {
public:
    Part() noexcept { zmq_msg_init(&message_); }
    Part(Part&& other) noexcept : Part() { zmq_msg_move(&message_, &other.message_); }
    Part& operator=(Part&& other) noexcept {
        zmq_msg_move(&message_, &other.message_);
        return *this;
    }
    Part(const Part&) = delete;
    Part& operator=(const Part&) = delete;
    ~Part() { zmq_msg_close(&message_); }

    // Of `size` bytes, to be written.
    explicit Part(std::size_t size);

    std::uint8_t* data() noexcept { return static_cast<std::uint8_t*>(zmq_msg_data(&message_)); }
    Bytes bytes() const noexcept {
        auto* const message = const_cast<zmq_msg_t*>(&message_);  // libzmq only reads it
        return {static_cast<const std::uint8_t*>(zmq_msg_data(message)), zmq_msg_size(message)};
    }
    zmq_msg_t* raw() noexcept { return &message_; }

private:
    zmq_msg_t message_;
};

// The first two parts of a message, and how many there were.
struct Received {
    Part first, second;
    std::size_t parts = 0;
};

enum class Event { ready, refused, ended };

class Connection {
public:
    enum class Kind { producer, reader };

    // Refuses an endpoint that is not tcp://HOST:PORT, and a key where libzmq was built without CURVE.
    Connection(Kind kind, std::string endpoint, std::optional<Key> key);
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    // Replaces the socket by a new one, so that a late answer on the old one is never read.
    void renew();
    // Waits until an event came, `wake` was called, or the time is over; and for one of `socket_events` of the socket:
    // ZMQ_POLLIN, a message came; ZMQ_POLLOUT, it takes one.
    void wait(int timeout_ms, int socket_events);
    // From any thread: ends the wait.
    void wake() noexcept;
    bool writable() noexcept;
    // False if the connection ended meanwhile.
    bool send(std::vector<Part>& parts) noexcept;
    std::optional<Received> receive();
    std::optional<Event> event();

private:
    void connect();
    void disconnect() noexcept;
    void set(int option, int value);
    void close() noexcept;

    const Kind kind_;
    const std::string endpoint_;
    const std::optional<Key> key_;
    void *context_ = nullptr, *socket_ = nullptr, *monitor_ = nullptr, *woken_ = nullptr, *waker_ = nullptr;
    unsigned monitors_ = 0;
    std::mutex waking_;
    std::atomic<bool> pending_{false};
};

}  // namespace shiftvae::client
