#include "clocks.hpp"

#ifdef __linux__
#include <unistd.h>
#endif

#include <algorithm>
#include <cstdio>
#include <memory>

namespace shiftvae::client {

std::chrono::steady_clock::time_point deadline(double timeout_s) noexcept {
    constexpr double year_s = 3.2e7;
    const double wait_s = timeout_s > 0 ? std::min(timeout_s, year_s) : 0;  // NaN too is no time
    return std::chrono::steady_clock::now() + std::chrono::nanoseconds(static_cast<std::int64_t>(wait_s * 1e9));
}

std::string clock_name() {
#ifdef __linux__
    char host[256] = "", boot[37] = "";  // a stream of the C++ library would bring half a megabyte of it along
    const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen("/proc/sys/kernel/random/boot_id", "r"),
                                                     [](FILE* one) { return std::fclose(one); });
    if (file && std::fread(boot, 1, 36, file.get()) == 36 && gethostname(host, sizeof host - 1) == 0)
        return std::string(host) + "/" + boot;
#endif
    return "";
}

}  // namespace shiftvae::client
