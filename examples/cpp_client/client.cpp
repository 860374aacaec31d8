// A producer and a reader in C++ from docs/reference/protocol.md alone: libzmq, cppzmq, and no JSON library.
//
//   client INGEST RESULTS CONTROL live|lossless FRAMES
//
// Sends FRAMES frames of 64 x 48 px (uint16) and prints one line for every map that comes back.
#include <zmq.hpp>
#include <zmq_addon.hpp>

#include <chrono>
#include <cstdint>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

constexpr int kHeight = 64, kWidth = 48;
const std::string kStream = "cpp";

std::uint64_t now_ns() {
    return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}

// The value of a field of one of the runtime's flat answers, as text; enough for an example, no JSON parser.
std::string field(const std::string& json, const std::string& name) {
    const auto at = json.find("\"" + name + "\":");
    if (at == std::string::npos) return "";
    auto begin = at + name.size() + 3;
    if (json[begin] == '"') return json.substr(begin + 1, json.find('"', begin + 1) - begin - 1);
    return json.substr(begin, json.find_first_of(",}]", begin) - begin);
}

long number(const std::string& json, const std::string& name) { return std::stol(field(json, name)); }

// Before connect, because ZeroMQ ignores most options afterwards.
void set_options(zmq::socket_t& socket) {
    socket.set(zmq::sockopt::linger, 0);
    socket.set(zmq::sockopt::heartbeat_ivl, 500);
    socket.set(zmq::sockopt::heartbeat_timeout, 1500);
    socket.set(zmq::sockopt::heartbeat_ttl, 2000);
    socket.set(zmq::sockopt::connect_timeout, 500);
    socket.set(zmq::sockopt::reconnect_ivl, 100);
    socket.set(zmq::sockopt::reconnect_ivl_max, 2000);
    socket.set(zmq::sockopt::rcvtimeo, 10000);
}

std::string receive(zmq::socket_t& socket) {
    zmq::message_t part;
    if (!socket.recv(part)) throw std::runtime_error("the runtime did not answer");
    return part.to_string();
}

std::string header(long seq) {
    const auto shape = std::to_string(kHeight) + "," + std::to_string(kWidth);
    return R"({"htype":"array-1.0","type":"uint16","dtype":"uint16","shape":[)" + shape +
           R"(],"encoding":"little","order":"C","frame":)" + std::to_string(seq) + R"(,"series":0,"source":")" + kStream +
           R"(","name":"","context":"","frame_shape":[)" + shape + R"(],"roi":[0,0,)" + shape + R"(],"valid_rows":)" +
           std::to_string(kHeight) + R"(,"complete":true,"seq":)" + std::to_string(seq) +
           R"(,"pixel_size_nm":null,"clock_ns":)" + std::to_string(now_ns()) + R"(,"utc_ns":0})";
}

std::vector<std::uint16_t> frame(long seq) {
    std::vector<std::uint16_t> pixels(kHeight * kWidth);
    for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<std::uint16_t>((37 * i + 11 * seq) % 251);
    return pixels;
}

void send_frame(zmq::socket_t& socket, long seq) {
    const auto pixels = frame(seq);
    socket.send(zmq::buffer(header(seq)), zmq::send_flags::sndmore);
    socket.send(zmq::buffer(pixels), zmq::send_flags::none);
}

std::string hello(zmq::socket_t& socket, const std::string& mode) {
    const auto text = R"({"htype":"HELLO","protocol":3,"mode":")" + mode + R"(","stream":")" + kStream +
                      R"(","session":"cpp-client","first_seq":1,"clock":"","clock_ns":)" + std::to_string(now_ns()) + "}";
    socket.send(zmq::buffer(text), zmq::send_flags::none);
    auto welcome = receive(socket);
    if (field(welcome, "htype") != "WELCOME") throw std::runtime_error(welcome);
    return welcome;
}

void end(zmq::socket_t& socket, long last) {
    socket.send(zmq::buffer(R"({"htype":"END","last_seq":)" + std::to_string(last) + "}"), zmq::send_flags::none);
    const auto answer = receive(socket);
    if (field(answer, "htype") != "END_ACK") throw std::runtime_error(answer);
    std::cout << "ended processed=" << number(answer, "processed") << std::endl;
}

// One in flight: send, wait for the answer that brings the next credit; WANT it if the answer did not.
void send_live(zmq::socket_t& socket, long frames) {
    long credit = number(hello(socket, "replay"), "credit"), sent = 0;
    for (long seq = 1; seq <= frames; ++seq) {
        if (sent >= credit) {
            socket.send(zmq::buffer(R"({"htype":"WANT","clock_ns":)" + std::to_string(now_ns()) + "}"),
                        zmq::send_flags::none);
            const auto granted = receive(socket);
            if (field(granted, "htype") != "GRANT") throw std::runtime_error(granted);
            credit = number(granted, "credit");
        }
        send_frame(socket, seq);
        ++sent;
        const auto answer = receive(socket);
        if (field(answer, "outcome") != "processed") throw std::runtime_error(answer);
        credit = number(answer, "credit");
    }
    end(socket, frames);
}

// Send ahead within the credit; what is committed need not be kept any more.
void send_lossless(zmq::socket_t& socket, long frames) {
    const auto welcome = hello(socket, "lossless");
    long credit = number(welcome, "credit"), next = number(welcome, "next_seq"), sent = 0, committed = next - 1;
    while (committed < frames) {
        while (next <= frames && sent < credit) {
            send_frame(socket, next++);
            ++sent;
        }
        const auto answer = receive(socket);
        if (field(answer, "htype") != "COMMITTED") throw std::runtime_error(answer);
        credit = number(answer, "credit");
        committed = number(answer, "committed");
    }
    end(socket, frames);
}

// A result: header and buffer, float32 (2, latents, rows, cols).
void print_result(const std::string& head, const zmq::message_t& buffer) {
    const auto* values = static_cast<const float*>(buffer.data());
    double sum = 0;
    for (std::size_t i = 0; i < buffer.size() / sizeof(float); ++i) sum += values[i];
    std::cout << "map frame=" << number(head, "frame") << " bytes=" << buffer.size() << " sum=" << sum << std::endl;
}

void read_live(zmq::socket_t& socket, long frames) {
    for (long seen = 0; seen < frames; ++seen) {
        const auto head = receive(socket);
        zmq::message_t buffer;
        if (!socket.recv(buffer)) throw std::runtime_error("a result has two parts");
        print_result(head, buffer);
    }
}

// Records of the journal, in order: `after` is a reader's cursor.
void read_journal(zmq::socket_t& socket, long frames) {
    for (long after = 0; after < frames; ++after) {
        socket.send(zmq::buffer(R"({"htype":"READ","stream":")" + kStream + R"(","after":)" + std::to_string(after) + "}"),
                    zmq::send_flags::none);
        const auto head = receive(socket);
        if (field(head, "htype") != "array-1.0") throw std::runtime_error(head);
        zmq::message_t buffer;
        if (!socket.recv(buffer)) throw std::runtime_error("a result has two parts");
        print_result(head, buffer);
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 6) {
        std::cerr << "client INGEST RESULTS CONTROL live|lossless FRAMES\n";
        return 2;
    }
    try {
        const std::string mode = argv[4];
        const long frames = std::stol(argv[5]);
        zmq::context_t context;
        zmq::socket_t ingest(context, zmq::socket_type::dealer), results(context, zmq::socket_type::sub),
            control(context, zmq::socket_type::dealer);
        for (auto* socket : {&ingest, &results, &control}) set_options(*socket);
        ingest.set(zmq::sockopt::immediate, true);
        results.set(zmq::sockopt::subscribe, "");
        results.set(zmq::sockopt::rcvhwm, 1000);
        results.set(zmq::sockopt::heartbeat_ivl, 0);  // libzmq issue 3937
        results.set(zmq::sockopt::tcp_keepalive, 1);
        ingest.connect(argv[1]);
        results.connect(argv[2]);
        control.connect(argv[3]);
        std::cout << "connected" << std::endl;
        std::string go;
        std::getline(std::cin, go);  // PUB and SUB know of each other a little after connect: start when told to
        if (mode == "lossless") {
            send_lossless(ingest, frames);
            read_journal(control, frames);
        } else {
            send_live(ingest, frames);
            read_live(results, frames);
        }
    } catch (const std::exception& error) {
        std::cerr << error.what() << std::endl;
        return 1;
    }
    return 0;
}
