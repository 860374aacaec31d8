#include "shiftvae/convert_frame.hpp"

#include <atomic>
#include <cmath>
#include <cstdint>

#include "shiftvae/thread_pool.hpp"

namespace shiftvae {
namespace {

template <class T>
bool convert_line(const void* line, std::size_t n, double centre, float* out) {
    bool finite = true;
    for (std::size_t x = 0; x < n; ++x) {
        out[x] = static_cast<float>(static_cast<double>(static_cast<const T*>(line)[x]) - centre);
        finite &= std::isfinite(out[x]);
    }
    return finite;
}

}  // namespace

bool convert_frame(const FrameView& frame, const double* centre, float* out, unsigned threads) {
    using Convert = bool (*)(const void*, std::size_t, double, float*);
    static const Convert converters[] = {convert_line<std::uint8_t>,  convert_line<std::uint16_t>,
                                         convert_line<std::int16_t>,  convert_line<std::uint32_t>,
                                         convert_line<std::int32_t>,  convert_line<float>,
                                         convert_line<double>};
    const Convert convert = converters[static_cast<int>(frame.type)];
    std::atomic<bool> finite{true};
    auto line = [&](std::size_t i) {
        const std::size_t c = i / frame.height, y = i % frame.height;
        if (!convert(frame.line(c, y), frame.width, centre[c], out + i * frame.width)) finite = false;
    };
    parallel_for(frame.channels * frame.height, threads, line);
    return finite;
}

}  // namespace shiftvae
