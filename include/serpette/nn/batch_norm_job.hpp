#pragma once

/// @internal What batch_norm_kernels.hpp hands its loops.

#include <cstdint>

namespace serpette::detail::batch_norm {

/// A bfloat16 number, by its bits.
enum class Half : std::uint16_t {};

/// y = (x − mean)·scale + shift, then y if y > 0, else slope · y; by places of a row of vectors.
struct Places {
  const float *mean = nullptr, *scale = nullptr, *shift = nullptr;
  float slope = 1;
  const float *by_x = nullptr, *constant = nullptr;  ///< Of the gradient by x alone.
};

/// The loops over `count` numbers for one instruction set; T is float or Half, sums are float.
template <class T>
struct Loops {
  /// first += x − origin, second += (x − origin)².
  void (*sums)(const T* x, const float* origin, std::int64_t count, float* first, float* second);
  /// y = the activated output.
  void (*apply)(const T* x, const Places&, std::int64_t count, T* y);
  /// With g the gradient in front of the activation:  first += g, second += g·(x − mean).
  void (*backward_sums)(const T* x, const T* gradient, const Places&, std::int64_t count,
                        float* first, float* second);
  /// ∂L/∂x = scale·g + by_x·(x − mean) + constant.
  void (*backward_apply)(const T* x, const T* gradient, const Places&, std::int64_t count,
                         T* result);
};

}  // namespace serpette::detail::batch_norm
