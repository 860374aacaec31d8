// A live producer's half of the protocol: which message is next, and what an answer means. No sockets.
//
//   connecting --HELLO--> greeting --WELCOME--> open --END--> ending --END_ACK--> ended
//        ^                    |                  |              |
//        +--------------------+---- lost --------+--------------+
//
// The twin of shiftvae_rt/stream/producer/live_link.py and contact.py; the caller holds the lock.
#pragma once

#include <string>

#include "mailbox.hpp"
#include "messages.hpp"

namespace shiftvae::client {

// A message to the service: its first part, and the lines of its second one if there is one.
struct Message {
    std::string head;
    LinesToSend lines;
};

class Conversation {
public:
    enum class State { connecting, greeting, open, lost, ending, ended };

    Conversation(std::string stream, std::string session, std::string clock);

    // The message to send now. To be called only when the socket can take one.
    std::optional<Message> next(std::int64_t now_ns);
    void hear(const Reply& reply, std::int64_t now_ns);
    // Declares contact lost if a time limit has passed.
    void check(std::int64_t now_ns);
    // ZeroMQ would connect again, but the session is gone with the connection.
    void disconnected(std::int64_t now_ns);
    void lose(std::int64_t now_ns, const std::string& reason);
    // True if it is time for the next attempt, which needs a new socket.
    bool reopen(std::int64_t now_ns);
    // After the last outcome, END follows.
    void finish() noexcept { closing_ = true; }

    Mailbox mailbox;
    std::string status;  // why contact was lost, or a frame was refused; "" once a later frame was processed

    State state() const noexcept { return state_; }
    bool closing() const noexcept { return closing_; }
    // Seconds since the session was lost; 0 during one, and before the first.
    double absent_s(std::int64_t now_ns) const noexcept;

private:
    bool active() const noexcept;
    void welcomed(const Reply& welcome, std::int64_t now_ns);
    void refused(const Reply& error, std::int64_t now_ns);

    const std::string stream_, session_, clock_;
    State state_ = State::connecting;
    bool closing_ = false;
    std::string epoch_;
    Counts earlier_{};  // outcomes that earlier starts of the service decided
    std::uint64_t credit_ = 0, sent_ = 0, received_ = 0, max_frame_bytes_ = 0;
    std::int64_t heard_ns_ = 0, said_ns_ = 0, retry_ns_ = 0, lost_ns_ = 0;
    std::int64_t sent_ns_ = 0, wanted_ns_ = 0, newest_ns_ = 0;
};

}  // namespace shiftvae::client
