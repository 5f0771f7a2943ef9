#pragma once

/// @internal What the convolutions by tiles hand their kernels.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "serpette/deploy/finish.hpp"
#include "serpette/deploy/narrow_numbers.hpp"

namespace serpette::deploy {

/// Rows of a tile of positions of a map, and filters of one of weights.
inline constexpr int kAmxRows = 16, kAmxFilters = 16;
/// Numbers of a row of a tile, 64 bytes.
template <class Number>
inline constexpr int kAmxDepth = 64 / int{sizeof(Number)};

/// Positions of tiles, row by row of the output: its cells, and then some that are none, up to
/// where the next row's begin.
struct AmxPositions {
  int row = 0, column = 0;    ///< Of the first position.
  int count = 0;              ///< From it on, as far as there are any.
  int width = 0, across = 0;  ///< Cells, and positions, of a row.

  /// Cells of its row before the first position.
  [[nodiscard]] int before() const { return std::min(column, width); }
};

/// Where in a rounded map a job's sums lie.
struct RoundedCells {
  std::byte* data = nullptr;  ///< The first filter's number in cell (0, 0); null: no such map.
  std::ptrdiff_t depth = 0;   ///< Numbers from one cell to the next.
  std::ptrdiff_t around = 0;  ///< Cells of padding between two rows.
  int columns = 0;            ///< Numbers that are stored, or added, of each cell.
  bool is_bytes = false;      ///< Else bfloat16.
  float steps = 1, zero = 0;  ///< Of bytes: round(steps · sum) + zero.

  /// The same from a filter on.
  [[nodiscard]] RoundedCells from(std::int64_t filter) const {
    RoundedCells rest = *this;
    if (data == nullptr) return rest;
    rest.data += is_bytes ? filter : 2 * filter;
    rest.columns -= static_cast<int>(filter);
    return rest;
  }
};

/// A block of a matrix product of one or two tiles of positions with one or two vectors of filters:
///   out[r][n] = finish(bias[n] + Σ_s Σ_k in[r][places[s] + k] · weights[K · s + k][n])
/// over the steps s that are left, K being kAmxDepth, and r those of the positions that are cells.
/// @tparam Number  BFloat16 or Int8; sums are scaled before the bias as in MultiplyJob.
template <class Number>
struct AmxJob {
  std::array<const Number*, 2> in{};    ///< Where the numbers of each tile's first position begin.
  std::ptrdiff_t position_step = 0;     ///< Numbers from one position to the next.
  std::span<const std::int32_t> steps;  ///< Those that are left.
  const std::ptrdiff_t* places = nullptr;  ///< By step.
  const Number* weights = nullptr;         ///< Of a panel of PackedMatrix.
  const float* bias = nullptr;             ///< [whole vectors]
  const float* scale = nullptr;            ///< Of Int8, [whole vectors]: what 1 in a sum is worth.
  AmxPositions positions;
  float* out = nullptr;      ///< Of cell (0, 0); null if no floats are stored.
  std::ptrdiff_t pitch = 0;  ///< From one cell of `out` (and of the residual) to the next.
  int columns = 0;           ///< That are stored of each cell.
  Finish finish;
  std::array<RoundedCells, 2> rounded;  ///< The same, stored in fewer bits.
  RoundedCells residual;                ///< Of bfloat16, instead of Finish's.
  std::span<const Number> ahead;  ///< Weights that a later job reads, to be asked for meanwhile.
};

/// The sums of the job before: they are finished and stored while the next job multiplies.
template <class Number>
struct AmxPipeline {
  static constexpr int kMostRows = 2 * kAmxRows, kMostVectors = 2;

  alignas(64) Sum<Number> sums[2][kMostRows][kMostVectors][kAmxFilters];
  int now = 0;            ///< Which of the two are those of `before`.
  bool is_full = false;   ///< Whether `before` is still to be finished.
  AmxJob<Number> before;  ///< Its pointers have to stay valid.
};

/// The inner loops by tiles; null where a machine has none.
template <class Number>
struct AmxKernels {
  using Multiply = void (*)(const AmxJob<Number>&, AmxPipeline<Number>&);
  /// By tiles − 1 and vectors − 1.
  std::array<std::array<Multiply, 2>, 2> multiply{};
  void (*begin)() = nullptr;                    ///< Before a thread multiplies tiles,
  void (*end)(AmxPipeline<Number>&) = nullptr;  ///< and behind it: finishes the last job.
};

}  // namespace serpette::deploy
