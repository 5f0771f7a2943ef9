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

/// One horizontal tap and row parity of one input channel, to be laid out for a tile.
struct PackJob {
  float* to = nullptr;          ///< [rows, lanes]
  const float* from = nullptr;  ///< The channel, [height, width].
  int rows = 0, height = 0, width = 0;
  std::ptrdiff_t first_row = 0, first_column = 0;  ///< May lie outside the map.
  std::ptrdiff_t stride = 1;                       ///< Of rows and columns.
};

using FilterKernel = void (*)(const FilterJob&);
using PackPlane = void (*)(const PackJob&);

/// The inner loops for one instruction set and vector width.
struct SparseKernels {
  int lanes = 1;                                     ///< Floats of a vector.
  std::array<FilterKernel, kMaxTileRows> weights{};  ///< By rows − 1.
  PackPlane pack_plane = nullptr;
};

}  // namespace serpette::deploy
