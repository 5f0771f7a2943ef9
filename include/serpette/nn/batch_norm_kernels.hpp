#pragma once

/// @internal The loops of batch_norm.hpp.

/// @file
/// Batch norm in training with the activation behind it: loops over channels-last maps. No
/// LibTorch.

#include <algorithm>
#include <bit>
#include <cstdint>
#include <functional>
#include <numeric>
#include <vector>

#include "serpette/detail/widest.hpp"

namespace serpette::detail::batch_norm {

/// A bfloat16 number, by its bits.
enum class Half : std::uint16_t {};

SERPETTE_INLINE inline float widen(float x) { return x; }
SERPETTE_INLINE inline float widen(Half x) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(x) << 16);
}

/// To the nearest, ties to even; what is no number stays none.
SERPETTE_INLINE inline void narrow(float x, float& to) { to = x; }
SERPETTE_INLINE inline void narrow(float x, Half& to) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t rounded = (bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16;
  to = static_cast<Half>(x == x ? rounded : 0x7FC0U);
}

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
  SERPETTE_INLINE void pieces(std::int64_t block, const F& f) const {
    const auto end = std::min(rows, (block + 1) * block_rows);
    for (auto row = block * block_rows; row < end; row += repeat)
      f(row * channels, std::min(repeat, end - row) * channels);
  }

  /// Adds the numbers [width] of each channel up to sums [channels].
  void fold(const std::vector<float>& from, double* sums) const {
    std::fill_n(sums, channels, 0.0);
    for (auto part = from.begin(); part != from.end(); part += channels)
      std::transform(part, part + channels, sums, sums, std::plus<double>());
  }
};

/// y = (x − mean)·scale + shift, then y if y > 0, else slope · y.
struct Coefficients {
  std::vector<float> mean, scale, shift;  ///< [width]
  float slope = 1;                        ///< 1: linear, 0: ReLU.
};

/// Σ (x − origin) and Σ (x − origin)² of one block, [channels] each.
template <class T>
void sums(const Tiling& t, const T* x, const std::vector<float>& origin, std::int64_t block,
          double* first, double* second) {
  std::vector<float> one(origin.size()), two(origin.size());
  widest([&]() SERPETTE_INLINE {
    t.pieces(block, [&](std::int64_t at, std::int64_t count) SERPETTE_INLINE {
      const T* in = x + at;
      const float* o = origin.data();
      float* s = one.data();
      float* q = two.data();
      SERPETTE_INDEPENDENT
      for (std::int64_t i = 0; i < count; ++i) {
        const float d = widen(in[i]) - o[i];
        s[i] += d;
        q[i] += d * d;
      }
    });
  });
  t.fold(one, first);
  t.fold(two, second);
}

/// The activated output of one block.
template <class T>
void apply(const Tiling& t, const Coefficients& c, const T* x, T* y, std::int64_t block) {
  widest([&]() SERPETTE_INLINE {
    const float slope = c.slope;
    t.pieces(block, [&](std::int64_t at, std::int64_t count) SERPETTE_INLINE {
      const T* in = x + at;
      T* out = y + at;
      const float *mean = c.mean.data(), *scale = c.scale.data(), *shift = c.shift.data();
      SERPETTE_INDEPENDENT
      for (std::int64_t i = 0; i < count; ++i) {
        const float v = (widen(in[i]) - mean[i]) * scale[i] + shift[i];
        narrow(v > 0 ? v : slope * v, out[i]);
      }
    });
  });
}

/// Σ g and Σ g·(x − mean) of one block, g the gradient in front of the activation.
template <class T>
void backward_sums(const Tiling& t, const Coefficients& c, const T* x, const T* gradient,
                   std::int64_t block, double* first, double* second) {
  std::vector<float> one(c.mean.size()), two(c.mean.size());
  widest([&]() SERPETTE_INLINE {
    const float slope = c.slope;
    t.pieces(block, [&](std::int64_t at, std::int64_t count) SERPETTE_INLINE {
      const T *in = x + at, *of_y = gradient + at;
      const float *mean = c.mean.data(), *scale = c.scale.data(), *shift = c.shift.data();
      float* s = one.data();
      float* q = two.data();
      SERPETTE_INDEPENDENT
      for (std::int64_t i = 0; i < count; ++i) {
        const float d = widen(in[i]) - mean[i], g = widen(of_y[i]);
        const float before = d * scale[i] + shift[i] > 0 ? g : slope * g;
        s[i] += before;
        q[i] += before * d;
      }
    });
  });
  t.fold(one, first);
  t.fold(two, second);
}

/// ∂L/∂x of one block:  scale·g + by_x·(x − mean) + constant.
template <class T>
void backward_apply(const Tiling& t, const Coefficients& c, const std::vector<float>& by_x,
                    const std::vector<float>& constant, const T* x, const T* gradient, T* result,
                    std::int64_t block) {
  widest([&]() SERPETTE_INLINE {
    const float slope = c.slope;
    t.pieces(block, [&](std::int64_t at, std::int64_t count) SERPETTE_INLINE {
      const T *in = x + at, *of_y = gradient + at;
      T* out = result + at;
      const float *mean = c.mean.data(), *scale = c.scale.data(), *shift = c.shift.data(),
                  *k1 = by_x.data(), *k0 = constant.data();
      SERPETTE_INDEPENDENT
      for (std::int64_t i = 0; i < count; ++i) {
        const float d = widen(in[i]) - mean[i], g = widen(of_y[i]);
        const float before = d * scale[i] + shift[i] > 0 ? g : slope * g;
        narrow(scale[i] * before + (k1[i] * d + k0[i]), out[i]);
      }
    });
  });
}

}  // namespace serpette::detail::batch_norm
