#pragma once

/// @internal Numbers of the forms that multiply in fewer bits than a float has.

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <type_traits>

#include "serpette/deploy/quantization.hpp"

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

/// A byte: of a map without a sign, of weights with one, as the processors' instruction has it.
struct Int8 {
  std::uint8_t bits = 0;

  Int8() = default;
  explicit Int8(std::uint8_t of_map) : bits(of_map) {}
  Int8(std::int8_t weight) : bits(static_cast<std::uint8_t>(weight)) {}
};
static_assert(sizeof(Int8) == 1);

/// Numbers that are multiplied side by side, and added up in one sum of four bytes.
template <class Number>
inline constexpr int kTogether =
    sizeof(float) / sizeof(Number);  // NOLINT(bugprone-sizeof-expression): of float too

/// Those of one sum: what a lane of a vector holds.
template <class Number>
using Together = std::conditional_t<kTogether<Number> == 1, Number,
                                    std::array<Number, std::size_t{kTogether<Number>}>>;

/// What products of such numbers are added up in.
template <class Number>
using Sum = std::conditional_t<std::is_same_v<Number, Int8>, std::int32_t, float>;

/// Whether so many products fit the sum: of bytes, 32 bits.
template <class Number>
constexpr bool can_add_up(std::int64_t products) {
  return !std::is_same_v<Number, Int8> || products <= 1 << 16;
}

/// How the numbers of a map become operands: as they are, rounded, or by a scale.
template <class Number>
struct Rounding {
  Number operator()(float value) const { return Number(value); }
};
template <>
struct Rounding<Int8> {
  Quantization by;

  Int8 operator()(float value) const { return Int8(by(value)); }
};

}  // namespace serpette::deploy
