#pragma once

/// @internal What the convolutions by tiles hand their kernels.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "serpette/deploy/cell_finish.hpp"
#include "serpette/deploy/narrow_numbers.hpp"

namespace serpette::deploy {

/// Rows of a tile of positions of a map, and filters of one of weights.
inline constexpr int kAmxRows = 16, kAmxFilters = 16;
/// Numbers of a row of a tile, 64 bytes.
template <class Number>
inline constexpr int kAmxDepth = 64 / int{sizeof(Number)};

/// A block of a matrix product of one or two tiles of positions with one or two vectors of filters:
///   out[r][n] = finish(bias[n] + Σ_s Σ_k in[r][places[s] + k] · weights[K · s + k][n])
/// over the steps s that are left, K being kAmxDepth, and r those of the positions that are cells.
/// @tparam Number  BFloat16 or Int8; sums are scaled before the bias as in MultiplyJob.
template <class Number>
struct AmxJob : CellFinish {
  std::array<const Number*, 2> in{};    ///< Where the numbers of each tile's first position begin.
  std::ptrdiff_t position_step = 0;     ///< Numbers from one position to the next.
  std::span<const std::int32_t> steps;  ///< Those that are left.
  const std::ptrdiff_t* places = nullptr;  ///< By step.
  const Number* weights = nullptr;         ///< Of a panel of PackedMatrix.
  const float* bias = nullptr;             ///< [whole vectors]
  const float* scale = nullptr;            ///< Of Int8, [whole vectors]: what 1 in a sum is worth.
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
