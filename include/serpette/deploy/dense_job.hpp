#pragma once

/// @internal What the dense convolutions hand their kernels.

#include <array>
#include <cstddef>
#include <cstdint>

#include "serpette/deploy/cell_finish.hpp"
#include "serpette/deploy/finish.hpp"
#include "serpette/deploy/narrow_numbers.hpp"

namespace serpette::deploy {

/// A block of a matrix product:  out[r][n] = finish(bias[n] + Σ_t Σ_k in[t][r][k] · weights[t·K +
/// k][n]). One tap t is a plain product; the taps of a convolution each have rows of their own.
/// Rows are the cells of the base's positions; where only floats are stored they go on from the
/// first.
/// @tparam Number  of the operands: float, BFloat16 or Int8, of which kTogether k lie side by side
///                 in `weights`. Products of Int8 are added up exactly, and scaled before the bias.
template <class Number>
struct MultiplyJob : CellFinish {
  const Number* const* in = nullptr;  ///< [taps][rows] where each row's K numbers begin.
  std::int64_t taps = 1, depth = 0;   ///< K, a multiple of kTogether.
  const Number* weights = nullptr;    ///< [taps · K][whole vectors]
  const float* bias = nullptr;        ///< [whole vectors], or null for zeros.
  const float* scale = nullptr;       ///< Of Int8, [whole vectors]: what 1 in a sum is worth.
  /// Of those that fetch ahead: weights or rows that a later job reads, to be asked for meanwhile,
  /// so many numbers on for every kTogether k of a tap.
  const Number* ahead = nullptr;
  std::ptrdiff_t ahead_step = 0;
};

/// One 6×6 tile of the input, channels side by side, taken to the transform domain: Bᵀ d B.
/// @tparam Number   of the input.
/// @tparam Operand  of the products.
template <class Number, class Operand>
struct TileInJob {
  const Number* image = nullptr;  ///< [height, width, depth], from row `image_row` on.
  std::int64_t image_row = 0;
  int height = 0, width = 0, channels = 0;
  std::ptrdiff_t depth = 0;       ///< Numbers from one cell to the next.
  int row = 0, column = 0;        ///< Top left of the tile; may lie outside the image.
  const Number* zeros = nullptr;  ///< [channels] for the cells that do.
  Operand* to = nullptr;          ///< 36 rows of `channels`, rounded up to whole vectors.
  std::ptrdiff_t step = 0;        ///< From one of the 36 to the next.
};

/// One 4×4 tile of the output from the transform domain:  finish(Aᵀ m A + bias).
struct TileOutJob {
  const float* from = nullptr;  ///< 36 rows of `channels`, rounded up to whole vectors.
  std::ptrdiff_t step = 0;
  const float* bias = nullptr;  ///< [channels, rounded up]
  float* out = nullptr;         ///< Top left of the tile in [height, width, channels].
  int channels = 0;             ///< That are computed,
  std::int64_t pitch = 0;       ///< of so many of the output.
  int width = 0;                ///< Of the output.
  int rows = 4, columns = 4;    ///< Of the tile that lie inside.
  Finish finish;                ///< Its residual begins where `out` does.
  bool asks_ahead = false;      ///< For the cells of the tile to the right.
};

/// A matrix turned:  to[c · to_pitch + r] = from[r · from_pitch + c].
struct TurnJob {
  const float* from = nullptr;
  float* to = nullptr;
  std::ptrdiff_t from_pitch = 0, to_pitch = 0;
  int rows = 0, columns = 0;
};

/// Numbers of rows that a block of a product may have.
inline constexpr std::array kBlockRows{1, 2, 4, 6, 8, 10, 12};

/// The inner loops of products for one instruction set.
template <class Number>
struct ProductKernels {
  using Multiply = void (*)(const MultiplyJob<Number>&);
  int lanes = 1;      ///< Floats of a vector.
  int most_rows = 1;  ///< Rows of a block that registers can hold.
  /// By whether they fetch ahead, index in kBlockRows and vectors − 1.
  std::array<std::array<std::array<Multiply, 2>, kBlockRows.size()>, 2> multiply{};
  void (*tile_in)(const TileInJob<float, Number>&) = nullptr;
};

struct DenseKernels : ProductKernels<float> {
  void (*tile_out)(const TileOutJob&) = nullptr;
  void (*turn)(const TurnJob&) = nullptr;
};

template <class Number>
struct DotKernels : ProductKernels<Number> {
  /// Rounds n numbers of a map.
  void (*round)(const Rounding<Number>& rounding, const float* from, std::int64_t n,
                Number* to) = nullptr;
  /// The same of each of `cells` cells of `channels` numbers, which lie `depth` apart in `to`, with
  /// what 0 becomes behind them up to `filled`.
  void (*round_cells)(const Rounding<Number>& rounding, const float* from, std::int64_t cells,
                      std::int64_t channels, std::int64_t filled, std::int64_t depth,
                      Number* to) = nullptr;
  /// Of BFloat16: as tile_in, from a map that is rounded already.
  void (*rounded_tile_in)(const TileInJob<Number, Number>&) = nullptr;
  /// Finishes and stores sums [positions][2][16] of filters; zeros where there are none.
  void (*finish)(const CellFinish& cells, const float* sums) = nullptr;
};

}  // namespace serpette::deploy
