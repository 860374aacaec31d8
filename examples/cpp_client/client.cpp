// Sends FRAMES frames of 64 x 48 px to `shiftvae serve`, and prints a line for each map: client INGEST RESULTS FRAMES
#include <shiftvae_client.h>

#include <cstdlib>
#include <iostream>
#include <memory>
#include <numeric>
#include <vector>

constexpr int height = 64, width = 48;

int main(int argc, char** argv) {
    if (argc != 4) return std::cerr << "client INGEST RESULTS FRAMES\n", 2;
    svc_producer* opened = nullptr;
    if (svc_producer_open(argv[1], "cpp", nullptr, &opened) == SVC_OK)
        svc_producer_format(opened, SVC_UINT16, 1, height, width, 0, 0);
    const std::unique_ptr<svc_producer, void (*)(svc_producer*)> producer(opened, svc_producer_close);
    svc_reader* reading = nullptr;
    const int code = svc_reader_open(argv[2], "cpp", 0, nullptr, &reading);
    const std::unique_ptr<svc_reader, void (*)(svc_reader*)> reader(reading, svc_reader_close);
    if (code != SVC_OK || svc_producer_wait(opened, 10) != SVC_OK)
        return std::cerr << svc_producer_error(opened) << svc_producer_status(opened) << svc_reader_error(reading), 1;

    for (int number = 1; number <= std::atoi(argv[3]); ++number) {
        std::vector<std::uint16_t> frame(height * width);
        for (std::size_t i = 0; i < frame.size(); ++i) frame[i] = static_cast<std::uint16_t>((37 * i + 11 * number) % 251);
        do svc_producer_offer(producer.get(), number, frame.data(), 0, 0, nullptr, nullptr);
        while (svc_reader_next(reader.get(), 1) != SVC_OK);  // an acquisition would not wait
        const auto extent = [&](int which) { return static_cast<std::size_t>(svc_reader_integer(reader.get(), which)); };
        const std::size_t size = extent(SVC_LATENTS) * extent(SVC_ROWS) * extent(SVC_COLS);
        const float* mean = svc_reader_mean(reader.get());
        std::cout << "map frame=" << extent(SVC_FRAME_NUMBER) << " size=" << size
                  << " sum=" << std::accumulate(mean, mean + size, 0.0) << '\n';
    }
    svc_producer_end(producer.get(), 5);
    std::uint64_t counts[SVC_COUNTERS];
    svc_producer_counters(producer.get(), counts);
    std::cout << "offered=" << counts[SVC_OFFERED] << " processed=" << counts[SVC_PROCESSED] << '\n';
}
