// A client's key file, as `shiftvae keys add` writes it.
#pragma once

#include <string>

namespace shiftvae::client {

// 40 characters of Z85 each.
struct Key {
    std::string public_key, secret, server;
};

// Refuses a file that is missing, damaged, readable by other users, or the service's own.
Key read_key(const char* path);

}  // namespace shiftvae::client
