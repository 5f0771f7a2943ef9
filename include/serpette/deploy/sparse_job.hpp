#pragma once

/// @internal What sparse_convolution.hpp hands its kernels.

#include <array>
#include <cstddef>
#include <cstdint>

#include "serpette/deploy/finish.hpp"

namespace serpette::deploy {

/// Most rows (vectors) of a tile: as many accumulators as 16 vector registers can hold beside
/// weight and operand.
inline constexpr int kMaxTileRows = 14;

/// How often a vector is halved at most: into 16 bands of a cell.
inline constexpr int kMostHalves = 4;

/// One filter on one tile, for one part of the input channels.
struct FilterJob {
  const float* planes = nullptr;          ///< Packed input of the tile, or the input itself.
  const std::int32_t* offsets = nullptr;  ///< Where each weight's operands begin in `planes`.
  const float* weights = nullptr;         ///< One per offset.
  std::int64_t count = 0;                 ///< Number of offsets.
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
  const float* sums = nullptr;  ///< [rows, lanes]
  float* out = nullptr;         ///< The output plane's columns of the tile, from the first row on.
  Finish finish;                ///< Its residual begins where `out` does.
  std::ptrdiff_t pitch = 0;     ///< From one row of `out` and the residual to the next.
  int lanes = 0, rows = 0, width = 0;
  int groups = 1, band_rows = 0, map_rows = 0;
  int row = 0, first_row = 0;  ///< Of the tile in each band; rows of it before this are not stored.
};

/// One horizontal tap and row parity of one input channel, to be laid out for one band of a tile.
struct PackJob {
  float* to = nullptr;          ///< [rows, pitch], of which the first `cells` of each are written.
  std::ptrdiff_t pitch = 0;     ///< From one row of `to` to the next.
  const float* from = nullptr;  ///< The channel, [height, width].
  int rows = 0, height = 0, width = 0;
  std::ptrdiff_t first_row = 0, first_column = 0;  ///< May lie outside the map.
  std::ptrdiff_t stride = 1;                       ///< Of rows and columns.
};

using FilterKernel = void (*)(const FilterJob&);
using FinishBands = void (*)(const BandsJob&);
using PackPlane = void (*)(const PackJob&);

/// The inner loops for one instruction set and vector width.
struct SparseKernels {
  int lanes = 1;                                     ///< Floats of a vector.
  std::array<FilterKernel, kMaxTileRows> weights{};  ///< By rows − 1.
  /// By the binary logarithm of the bands: each has lanes / bands cells of a vector.
  std::array<PackPlane, kMostHalves + 1> pack_plane{};
  std::array<FinishBands, kMostHalves + 1> finish_bands{};
};

}  // namespace serpette::deploy
