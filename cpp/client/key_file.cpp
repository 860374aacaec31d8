#include "key_file.hpp"

#ifndef _WIN32
#include <sys/stat.h>
#endif

#include <cstdio>
#include <memory>

#include "common/json.hpp"
#include "common/refusal.hpp"
#include "shiftvae_client.h"

namespace shiftvae::client {

namespace {

constexpr std::size_t most_bytes = 4096;

std::string content_of(const char* path) {
    const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path, "rb"),
                                                     [](FILE* one) { return std::fclose(one); });
    if (!file) refuse(SVC_ARGUMENT, std::string("cannot read the key file ") + path);
#ifndef _WIN32
    struct stat about{};
    if (fstat(fileno(file.get()), &about) != 0 || (about.st_mode & 077U) != 0)
        refuse(SVC_ARGUMENT, std::string("other users may read the key file ") + path + ": chmod 600 it");
#endif
    std::string content(most_bytes, '\0');
    content.resize(std::fread(&content[0], 1, content.size(), file.get()));
    return content;
}

std::string key_of(const Json& json, const char* name) {
    const std::string& text = json.at(name).text();
    if (text.size() != 40) throw JsonError(std::string(name) + ": expected 40 characters");
    return text;
}

}  // namespace

Key read_key(const char* path) {
    const std::string content = content_of(path);
    try {
        const Json json =
            Json::parse({reinterpret_cast<const std::uint8_t*>(content.data()), content.size()}, "key file");
        if (json.at("server").text().empty())
            refuse(SVC_ARGUMENT,
                   std::string(path) + " is the service's own key: give a client's key, made by `shiftvae keys add`");
        return {key_of(json, "public"), key_of(json, "secret"), key_of(json, "server")};
    } catch (const JsonError& error) {
        refuse(SVC_ARGUMENT, std::string(path) + ": " + error.what() + ": make it with `shiftvae keys`");
    }
}

}  // namespace shiftvae::client
