#pragma once

/// @internal Numbers of the forms that compute in bfloat16.

#include <bit>
#include <cmath>
#include <cstdint>

namespace serpette::deploy {

/// The upper half of a float: 8 bits of its mantissa.
struct BFloat16 {
  std::uint16_t bits = 0;

  BFloat16() = default;
  /// The nearest, to even where two are as near.
  BFloat16(float value) {
    auto all = std::bit_cast<std::uint32_t>(value);
    if (std::isnan(value))
      all |= 0x400000U;  // stays one
    else
      all += 0x7fffU + (all >> 16 & 1U);
    bits = static_cast<std::uint16_t>(all >> 16);
  }
};
static_assert(sizeof(BFloat16) == 2);

/// Numbers that are multiplied side by side, and added up in one float.
template <class Number>
inline constexpr int kTogether = static_cast<int>(sizeof(float) / sizeof(Number));

}  // namespace serpette::deploy
