#pragma once

/// @internal What the Winograd convolution of whole kernels hands its loops.

#include <array>
#include <cstddef>
#include <cstdint>

#include "serpette/deploy/finish.hpp"

namespace serpette::deploy {

/// Most vectors of tiles that are worked on at a time.
inline constexpr int kMaxTileVectors = 8;

/// Some 4×4 tiles of one channel, counted row of tiles by row of tiles, taken to the transform
/// domain: one tile a lane.
struct ChannelInJob {
  const float* image = nullptr;  ///< The channel, [height, width], from row `image_row` on.
  std::int64_t image_row = 0;
  int height = 0, width = 0, padding = 0;
  int tile_columns = 0;             ///< Tiles of a row.
  int tile_row = 0, tile_rows = 0;  ///< Rows of tiles that the tiles lie in.
  int skipped = 0;                  ///< Tiles of the first of these rows that are not asked for.
  float* rows = nullptr;            ///< For the input's rows with zeros around them:
  std::ptrdiff_t row_pitch = 0;     ///< from one to the next.
  float* phases = nullptr;          ///< For 4·6 planes: cell (4·y + i, 4·x + j) of tile (y, x),
  std::ptrdiff_t phase_pitch = 0;   ///< from one to the next.
  float* to = nullptr;              ///< [36 / points] times [points][vectors of tiles],
  std::ptrdiff_t to_pitch = 0;      ///< from one of those to the next.
};

/// Some filters on the same tiles, at some of the 36 points.
struct FiltersOnTilesJob {
  const float* tiles = nullptr;            ///< [C_in][points][vectors of tiles]
  const std::int64_t* starts = nullptr;    ///< Where each filter's kernels begin, and the last end.
  const std::int32_t* channels = nullptr;  ///< Of each kernel that is left.
  const float* weights = nullptr;          ///< [kernels][points]
  float* sums = nullptr;                   ///< [filters][points][vectors of tiles]
  std::int64_t first = 0, last = 0;        ///< Filters.
};

/// The tiles of one filter from the transform domain to the map.
struct FilterOutJob {
  const float* sums = nullptr;    ///< [36 / points] times [points][vectors of tiles],
  std::ptrdiff_t sums_pitch = 0;  ///< from one of those to the next.
  float* rows = nullptr;          ///< For 4 rows of cells of the tiles.
  float bias = 0;
  float* out = nullptr;  ///< The plane of the output, [height, width], from row `out_row` on.
  std::int64_t out_row = 0, residual_row = 0;  ///< Likewise of `finish`.
  int height = 0, width = 0;
  int tile_columns = 0;              ///< Tiles of a row.
  std::int64_t first = 0, last = 0;  ///< Tiles that are stored.
  Finish finish;                     ///< Its residual is a plane, too.
};

/// The inner loops for one instruction set, some points and vectors of tiles at a time.
struct KernelWinogradKernels {
  void (*channel_in)(const ChannelInJob&) = nullptr;
  void (*filters_on_tiles)(const FiltersOnTilesJob&) = nullptr;
  void (*filter_out)(const FilterOutJob&) = nullptr;
};

/// How many points and vectors at a time a layer may choose.
struct TileShape {
  int points, vectors;
};
inline constexpr std::array kTileShapes{TileShape{4, 1}, TileShape{1, 4}, TileShape{1, 8}};

/// By index in kTileShapes, and vectors − 1 of the shape or fewer.
struct KernelWinogradTable {
  int lanes = 1;  ///< Floats of a vector.
  std::array<std::array<KernelWinogradKernels, kMaxTileVectors>, kTileShapes.size()> kernels{};
};

}  // namespace serpette::deploy
