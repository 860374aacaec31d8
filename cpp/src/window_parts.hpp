// How threads share the windows of a frame.
#pragma once

#include <algorithm>

#include "window_tile.hpp"

namespace shiftvae {

constexpr std::size_t tile_bytes = 512 * 1024;      // of converted lines, half of a usual L2
constexpr std::size_t least_tile = 64;              // windows
constexpr std::size_t most_tile = 2048;             // windows
constexpr std::size_t worth_a_thread = 256 * 1024;  // bytes: below, waking a thread costs more than it saves

// Division of the grid of windows among threads: tiles of columns, each in chunks of rows.
struct Parts {
    std::size_t rows, cols, chunks, tiles;

    Parts(const Grid& grid, std::size_t bytes_a_column, unsigned threads) noexcept
        : rows(grid.rows()), cols(grid.cols()) {
        const std::size_t width = tile_bytes / bytes_a_column;
        std::size_t tile = width > grid.window_width ? (width - grid.window_width) / grid.stride + 1 : 1;
        tile = std::min(std::max(tile, least_tile), most_tile);
        tiles = (cols + tile - 1) / tile;
        chunks = threads < 2 ? 1 : std::min(rows, (4 * threads + tiles - 1) / tiles);
        if (chunks * tiles < threads) tiles = std::max(tiles, std::min<std::size_t>(threads, cols / least_tile));
    }
    std::size_t count() const noexcept { return chunks * tiles; }
    std::size_t widest() const noexcept { return (cols + tiles - 1) / tiles; }

    struct Part {
        std::size_t first_row, end_row, first_col, end_col;
    };
    Part at(std::size_t i) const noexcept {
        const std::size_t chunk = i / tiles, tile = i % tiles;
        return {rows * chunk / chunks, rows * (chunk + 1) / chunks, cols * tile / tiles, cols * (tile + 1) / tiles};
    }
};

inline Tile tile_of(const FrameView& frame, const Grid& grid, std::size_t first_col, std::size_t cols) noexcept {
    return {frame, grid.window_height, grid.window_width, grid.stride, first_col * grid.stride, cols};
}

inline unsigned worth(unsigned threads, std::size_t bytes) noexcept { return bytes < worth_a_thread ? 1 : threads; }

}  // namespace shiftvae
