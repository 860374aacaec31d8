#include "connection.hpp"

#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

#include "common/refusal.hpp"
#include "messages.hpp"
#include "shiftvae_client.h"

namespace shiftvae::client {

namespace {

constexpr std::int64_t most_result_bytes = 805306368 + 262144;  // buffer and header
constexpr std::int64_t most_answer_bytes = 2 * most_control_bytes;
constexpr int ready_events = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
                             ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL;

[[noreturn]] void system_error(const std::string& what) { refuse(SVC_SYSTEM, what + ": " + zmq_strerror(zmq_errno())); }

void check_endpoint(const std::string& endpoint) {
    const std::size_t colon = endpoint.rfind(':');
    const std::string port = colon > 6 && colon != std::string::npos ? endpoint.substr(colon + 1) : "";
    const bool valid = endpoint.compare(0, 6, "tcp://") == 0 && colon > 6 && endpoint.find_first_of(":/", 6) == colon &&
                       !port.empty() && port.size() <= 5 && port.find_first_not_of("0123456789") == std::string::npos &&
                       std::stoi(port) < 65536;
    if (!valid)
        refuse(SVC_ARGUMENT, "expected an endpoint tcp://HOST:PORT with a port up to 65535, got " + shown(endpoint));
}

}  // namespace

Part::Part(std::size_t size) {
    if (zmq_msg_init_size(&message_, size) != 0) throw std::bad_alloc();
}

Connection::Connection(Kind kind, std::string endpoint, std::optional<Key> key)
    : kind_(kind), endpoint_(std::move(endpoint)), key_(std::move(key)) {
    check_endpoint(endpoint_);
    if (key_ && !zmq_has("curve")) refuse(SVC_ARGUMENT, "the libzmq of this machine has no CURVE: it cannot use keys");
    context_ = zmq_ctx_new();
    if (!context_) system_error("cannot start ZeroMQ");
    try {
        woken_ = zmq_socket(context_, ZMQ_PAIR);
        waker_ = zmq_socket(context_, ZMQ_PAIR);
        if (!woken_ || !waker_ || zmq_bind(woken_, "inproc://wake") != 0 || zmq_connect(waker_, "inproc://wake") != 0)
            system_error("cannot make a socket");
        connect();
    } catch (...) {
        close();
        throw;
    }
}

Connection::~Connection() { close(); }

void Connection::close() noexcept {
    disconnect();
    for (void** socket : {&waker_, &woken_})
        if (*socket) {
            const int now = 0;
            zmq_setsockopt(*socket, ZMQ_LINGER, &now, sizeof now);
            zmq_close(std::exchange(*socket, nullptr));
        }
    while (context_ && zmq_ctx_term(context_) != 0 && zmq_errno() == EINTR) {
    }
}

void Connection::set(int option, int value) {
    if (zmq_setsockopt(socket_, option, &value, sizeof value) != 0) system_error("cannot set an option of a socket");
}

void Connection::connect() {
    const bool reader = kind_ == Kind::reader;
    socket_ = zmq_socket(context_, reader ? ZMQ_SUB : ZMQ_DEALER);
    if (!socket_) system_error("cannot make a socket");
    const std::int64_t most = reader ? most_result_bytes : most_answer_bytes;
    if (zmq_setsockopt(socket_, ZMQ_MAXMSGSIZE, &most, sizeof most) != 0) system_error("cannot limit messages");
    set(ZMQ_LINGER, 0);
    set(ZMQ_HANDSHAKE_IVL, 2000);
    set(ZMQ_CONNECT_TIMEOUT, 500);  // the system alone would wait 1, 2, 4 s between its attempts
    set(ZMQ_RECONNECT_IVL, 100);
    set(ZMQ_RECONNECT_IVL_MAX, 2000);
    if (reader) {  // no heartbeats where a queue may be full: libzmq issue 3937
        set(ZMQ_RCVHWM, 256);
        set(ZMQ_TCP_KEEPALIVE, 1);
        set(ZMQ_TCP_KEEPALIVE_IDLE, 1);
        set(ZMQ_TCP_KEEPALIVE_INTVL, 1);
        set(ZMQ_TCP_KEEPALIVE_CNT, 2);
        if (zmq_setsockopt(socket_, ZMQ_SUBSCRIBE, "", 0) != 0) system_error("cannot subscribe");
    } else {
        set(ZMQ_SNDHWM, 9);
        set(ZMQ_RCVHWM, 0);  // credit limits the number of answers
        set(ZMQ_IMMEDIATE, 1);
        set(ZMQ_HEARTBEAT_IVL, 500);
        set(ZMQ_HEARTBEAT_TIMEOUT, 1500);
        set(ZMQ_HEARTBEAT_TTL, 2000);
    }
    if (key_ && (zmq_setsockopt(socket_, ZMQ_CURVE_SERVERKEY, key_->server.c_str(), 41) != 0 ||
                 zmq_setsockopt(socket_, ZMQ_CURVE_PUBLICKEY, key_->public_key.c_str(), 41) != 0 ||
                 zmq_setsockopt(socket_, ZMQ_CURVE_SECRETKEY, key_->secret.c_str(), 41) != 0))
        refuse(SVC_ARGUMENT, "expected keys of 40 characters of Z85: make the key file with `shiftvae keys add`");
    // The monitor comes before connect, or it would miss the handshake of a fast peer.
    const std::string name = "inproc://monitor" + std::to_string(++monitors_);
    monitor_ = zmq_socket(context_, ZMQ_PAIR);
    if (!monitor_ || zmq_socket_monitor(socket_, name.c_str(), ready_events) != 0 ||
        zmq_connect(monitor_, name.c_str()) != 0)
        system_error("cannot watch a socket");
    if (zmq_connect(socket_, endpoint_.c_str()) != 0) system_error("cannot connect to " + shown(endpoint_));
}

void Connection::disconnect() noexcept {
    if (socket_) zmq_socket_monitor(socket_, nullptr, 0);
    for (void** socket : {&monitor_, &socket_})
        if (*socket) {
            const int now = 0;
            zmq_setsockopt(*socket, ZMQ_LINGER, &now, sizeof now);
            zmq_close(std::exchange(*socket, nullptr));
        }
}

void Connection::renew() {
    disconnect();
    try {
        connect();
    } catch (...) {
        disconnect();
        throw;
    }
}

void Connection::wait(int timeout_ms, int socket_events) {
    zmq_pollitem_t items[] = {
        {woken_, 0, ZMQ_POLLIN, 0}, {monitor_, 0, ZMQ_POLLIN, 0}, {socket_, 0, static_cast<short>(socket_events), 0}};
    zmq_poll(items, !socket_ ? 1 : socket_events ? 3 : 2, timeout_ms);
    char nothing;
    while (zmq_recv(woken_, &nothing, 1, ZMQ_DONTWAIT) >= 0) {
    }
    pending_ = false;  // last: whoever found it true relies on what this thread does next
}

void Connection::wake() noexcept {
    if (pending_.exchange(true)) return;  // the thread is about to wake anyway
    const std::lock_guard<std::mutex> lock(waking_);
    zmq_send(waker_, "", 0, ZMQ_DONTWAIT);
}

bool Connection::writable() noexcept {
    zmq_pollitem_t item = {socket_, 0, ZMQ_POLLOUT, 0};
    return socket_ && zmq_poll(&item, 1, 0) > 0 &&
           (item.revents & ZMQ_POLLOUT);  // NOLINT(bugprone-signed-bitwise): flags of libzmq
}

bool Connection::send(std::vector<Part>& parts) noexcept {
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const int more = i + 1 < parts.size() ? ZMQ_SNDMORE : 0;
        if (zmq_msg_send(parts[i].raw(), socket_, ZMQ_DONTWAIT | more) < 0) return false;
    }
    return true;
}

std::optional<Received> Connection::receive() {
    Received message;
    int more = 1;
    while (more) {
        Part rest;
        Part& part = message.parts == 0 ? message.first : message.parts == 1 ? message.second : rest;
        while (!socket_ || zmq_msg_recv(part.raw(), socket_, ZMQ_DONTWAIT) < 0)
            if (!socket_ || zmq_errno() != EINTR) return std::nullopt;
        ++message.parts;
        more = zmq_msg_more(part.raw());
    }
    return message;
}

std::optional<Event> Connection::event() {
    Part about, address;
    if (!monitor_ || zmq_msg_recv(about.raw(), monitor_, ZMQ_DONTWAIT) < 0) return std::nullopt;
    if (zmq_msg_more(about.raw())) zmq_msg_recv(address.raw(), monitor_, ZMQ_DONTWAIT);
    std::uint16_t number = 0;
    if (about.bytes().size >= sizeof number) std::memcpy(&number, about.data(), sizeof number);
    if (number == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) return Event::ready;
    return number == ZMQ_EVENT_DISCONNECTED ? Event::ended : Event::refused;
}

}  // namespace shiftvae::client
