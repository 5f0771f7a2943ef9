#pragma once

/// @internal The loops of batch_norm.hpp.

/// @file
/// Batch norm in training with the activation behind it: loops over channels-last maps, for the
/// instruction set of the machine it runs on. No LibTorch.

#include <algorithm>
#include <bit>
#include <cstdint>
#include <functional>
#include <numeric>
#include <vector>

#include "serpette/nn/batch_norm_job.hpp"

#define SERPETTE_EACH_TARGET "serpette/nn/batch_norm_kernels-inl.hpp"
#include "serpette/detail/each_target-inl.hpp"

namespace serpette::detail::batch_norm {

HWY_EXPORT(loops_f32);
HWY_EXPORT(loops_bf16);

/// The best that this machine supports, found at the first call.
inline const Loops<float>& loops(const float*) {
  static const Loops<float> found = HWY_DYNAMIC_DISPATCH(loops_f32)();
  return found;
}
inline const Loops<Half>& loops(const Half*) {
  static const Loops<Half> found = HWY_DYNAMIC_DISPATCH(loops_bf16)();
  return found;
}

inline float widen(float x) { return x; }
inline float widen(Half x) { return std::bit_cast<float>(static_cast<std::uint32_t>(x) << 16); }

/// Maps [rows, channels] with the channels side by side, cut for the loops. Vectors run along
/// memory, so coefficients are repeated until whole vectors fit `width` = channels · repeat.
/// Blocks of rows depend on the shape alone: sums are the same for any number of threads.
struct Tiling {
  std::int64_t rows, channels, repeat = 1, block_rows = 1;

  Tiling(std::int64_t rows_, std::int64_t channels_) : rows(rows_), channels(channels_) {
    constexpr std::int64_t kLanes = 16, kLeast = 256, kBlock = 1 << 16;
    repeat = kLanes / std::gcd(channels, kLanes);
    while (width() < kLeast) repeat *= 2;
    block_rows = repeat * std::max<std::int64_t>(1, kBlock / width());
  }

  [[nodiscard]] std::int64_t width() const { return channels * repeat; }
  [[nodiscard]] std::int64_t blocks() const { return (rows + block_rows - 1) / block_rows; }

  /// One number per channel [channels] to one per place of a vector row [width].
  [[nodiscard]] std::vector<float> repeated(const float* per_channel) const {
    std::vector<float> all;
    all.reserve(static_cast<std::size_t>(width()));
    for (std::int64_t r = 0; r < repeat; ++r)
      all.insert(all.end(), per_channel, per_channel + channels);
    return all;
  }

  /// Calls f(first number, count) for the pieces of a block, at most `width` numbers each.
  template <class F>
  void pieces(std::int64_t block, const F& f) const {
    const auto end = std::min(rows, (block + 1) * block_rows);
    for (auto row = block * block_rows; row < end; row += repeat)
      f(row * channels, std::min(repeat, end - row) * channels);
  }

  /// Adds the numbers [width] of each channel up to sums [channels].
  void fold(const std::vector<float>& from, double* sums) const {
    std::fill_n(sums, channels, 0.0);
    for (auto part = from.begin(); part != from.end(); part += channels)
      std::transform(part, part + channels, sums, sums, std::plus<>());
  }
};

/// What `Places` points to, [width] each.
struct Coefficients {
  std::vector<float> mean, scale, shift;
  float slope = 1;  ///< 1: linear, 0: ReLU.

  [[nodiscard]] Places places() const { return {mean.data(), scale.data(), shift.data(), slope}; }
};

/// Σ (x − origin) and Σ (x − origin)² of one block, [channels] each.
template <class T>
void sums(const Tiling& t, const T* x, const std::vector<float>& origin, std::int64_t block,
          double* first, double* second) {
  std::vector<float> one(origin.size()), two(origin.size());
  t.pieces(block, [&](std::int64_t at, std::int64_t count) {
    loops(x).sums(x + at, origin.data(), count, one.data(), two.data());
  });
  t.fold(one, first);
  t.fold(two, second);
}

/// The activated output of one block.
template <class T>
void apply(const Tiling& t, const Coefficients& c, const T* x, T* y, std::int64_t block) {
  t.pieces(block, [&](std::int64_t at, std::int64_t count) {
    loops(x).apply(x + at, c.places(), count, y + at);
  });
}

/// Σ g and Σ g·(x − mean) of one block, g the gradient in front of the activation.
template <class T>
void backward_sums(const Tiling& t, const Coefficients& c, const T* x, const T* gradient,
                   std::int64_t block, double* first, double* second) {
  std::vector<float> one(c.mean.size()), two(c.mean.size());
  t.pieces(block, [&](std::int64_t at, std::int64_t count) {
    loops(x).backward_sums(x + at, gradient + at, c.places(), count, one.data(), two.data());
  });
  t.fold(one, first);
  t.fold(two, second);
}

/// ∂L/∂x of one block:  scale·g + by_x·(x − mean) + constant.
template <class T>
void backward_apply(const Tiling& t, const Coefficients& c, const std::vector<float>& by_x,
                    const std::vector<float>& constant, const T* x, const T* gradient, T* result,
                    std::int64_t block) {
  Places places = c.places();
  places.by_x = by_x.data();
  places.constant = constant.data();
  t.pieces(block, [&](std::int64_t at, std::int64_t count) {
    loops(x).backward_apply(x + at, gradient + at, places, count, result + at);
  });
}

}  // namespace serpette::detail::batch_norm
