#pragma once

/// @internal What sparse_convolution.hpp hands its kernels.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "serpette/deploy/finish.hpp"

namespace serpette::deploy {

/// Most rows (vectors) of a tile: as many accumulators as 16 vector registers can hold beside
/// weight and operand.
inline constexpr int kMaxTileRows = 14;

/// How often a vector is halved at most: into 16 bands of a cell.
inline constexpr int kMostHalves = 4;

/// Columns of the output that are computed together. The map is cut into `groups` bands, one above
/// the other, and a vector holds the columns of one row of each: whole vectors are one band; where
/// fewer columns than lanes are left at the end of the rows, several bands fill a vector. One row
/// down is one vector on, in whatever band.
struct SparseStrip {
  int column = 0, width = 0;     ///< First column, and columns.
  int groups = 1, cells = 1;     ///< Bands, and lanes of each; width ≤ cells.
  int band_rows = 0;             ///< Of each band; the last may reach beyond the map.
  int tiles = 0, tile_rows = 0;  ///< Of each band; the last tile may overlap the one above.

  SparseStrip(int column_, int width_, int map_rows, int groups_, int cells_)
      : column(column_),
        width(width_),
        groups(groups_),
        cells(cells_),
        band_rows((map_rows + groups - 1) / groups),
        tiles((band_rows + kMaxTileRows - 1) / kMaxTileRows),
        tile_rows((band_rows + tiles - 1) / tiles) {}

  /// Of all tiles, in vectors: those of a tile, as many at least as multiply-adds are under way at
  /// a time, and what begins and ends it.
  [[nodiscard]] int cost() const {
    constexpr int kUnderWay = 8, kBothEnds = 3;
    return tiles * (std::max(tile_rows, kUnderWay) + kBothEnds);
  }
};

/// One filter on one tile, for one part of the input channels.
struct FilterJob {
  const float* planes = nullptr;          ///< Packed input of the tile, or the input itself.
  const std::int32_t* offsets = nullptr;  ///< Where each weight's operands begin in `planes`.
  const float* weights = nullptr;         ///< One per offset.
  const std::int64_t* starts = nullptr;   ///< [shifts + 2] Into both: see SparseConvolution::Part.
  int shifts = 0;                         ///< Of sums, by a lane each.
  float bias = 0;
  const float* partial_in = nullptr;  ///< Sums so far, or null to begin with the bias.
  float* partial_out = nullptr;  ///< Where sums go that are not finished; null finishes the filter:
  float* out = nullptr;          ///< Top left of the tile in the output plane.
  Finish finish;                 ///< Its residual begins where `out` does.
  std::ptrdiff_t pitch = 0;      ///< From one row of `out` and the residual to the next.
  int first_row = 0;             ///< Rows before this one belong to another tile.
  int width = 0, last_width = 0;  ///< Lanes that count: of each row, of the last row.
};

/// The sums of one filter on one tile of several bands, to be finished.
struct BandsJob {
  const SparseStrip* strip = nullptr;
  const float* sums = nullptr;  ///< [tile_rows, lanes]
  float* out = nullptr;         ///< The output plane from the strip's first column on.
  Finish finish;                ///< Its residual begins where `out` does.
  std::ptrdiff_t pitch = 0;     ///< From one row of `out` and the residual to the next.
  int lanes = 0, map_rows = 0;
  int row = 0, first_row = 0;  ///< Of the tile in each band; rows of it before this are not stored.
};

/// What some weights of a channel read, one row of their kernel one row of it further down: every
/// stride-th row and column of the input.
struct PackedPlane {
  int channel, row, column;  ///< Of its first value, counted from what the first tap reads.
};

/// Planes to be laid out for one band of a tile.
struct PackJob {
  float* to = nullptr;              ///< [planes, plane_floats], each [rows, pitch], of which the
                                    ///< first `cells` of each row are written.
  std::ptrdiff_t plane_floats = 0;  ///< From one plane to the next.
  std::ptrdiff_t pitch = 0;         ///< From one row of a plane to the next.
  std::span<const PackedPlane> planes;
  const float* x = nullptr;  ///< The input, [C, height, width].
  int rows = 0, height = 0, width = 0;
  std::ptrdiff_t first_row = 0, first_column = 0;  ///< What the first tap reads; perhaps outside.
  std::ptrdiff_t stride = 1;                       ///< Of rows and columns.
};

using FilterKernel = void (*)(const FilterJob&);
using FinishBands = void (*)(const BandsJob&);
using PackPlanes = void (*)(const PackJob&);

/// The inner loops for one instruction set and vector width.
struct SparseKernels {
  int lanes = 1;                                             ///< Floats of a vector.
  std::array<FilterKernel, kMaxTileRows> weights{};          ///< By rows − 1; for no shifts.
  std::array<FilterKernel, kMaxTileRows> shifted_weights{};  ///< Likewise, for any number.
  /// By the binary logarithm of the bands: each has lanes / bands cells of a vector.
  std::array<PackPlanes, kMostHalves + 1> pack_planes{};
  std::array<FinishBands, kMostHalves + 1> finish_bands{};
};

}  // namespace serpette::deploy
