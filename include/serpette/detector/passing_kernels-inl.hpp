/// @file
/// Comparisons of logits for one instruction set: passing_kernels.hpp includes this file
/// repeatedly, hence no #pragma once. Included by itself it is that header.

#ifndef SERPETTE_EACH_TARGET
#include "serpette/detector/passing_kernels.hpp"
#else

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

HWY_BEFORE_NAMESPACE();
namespace serpette::detail::HWY_NAMESPACE {

namespace passing {

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::ScalableTag<float>;

/// @param vector_of  (first) → the floors of as many values as a vector holds.
/// @param floor_of   (i) → the floor of one.
template <class VectorOf, class FloorOf>
HWY_INLINE std::size_t list(const float* values, std::size_t n, const VectorOf& vector_of,
                            const FloorOf& floor_of, std::uint32_t* to) {
  constexpr std::size_t kBits = 64;
  const D d;
  const std::size_t lanes = hn::Lanes(d), whole = n / lanes * lanes;
  std::size_t count = 0;
  for (std::size_t begin = 0; begin < whole; begin += kBits) {
    std::uint64_t bits = 0;  // of 64 values
    const std::size_t end = std::min(begin + kBits, whole);
    for (std::size_t i = begin; i < end; i += lanes) {
      std::uint8_t bytes[8] = {};
      hn::StoreMaskBits(d, hn::Gt(hn::LoadU(d, values + i), vector_of(i)), bytes);
      std::uint64_t of_vector = 0;
      std::memcpy(&of_vector, bytes, sizeof bytes);
      bits |= of_vector << (i - begin);
    }
    for (; bits != 0; bits &= bits - 1)
      to[count++] = static_cast<std::uint32_t>(begin + hwy::Num0BitsBelowLS1Bit_Nonzero64(bits));
  }
  for (std::size_t i = whole; i < n; ++i)
    if (values[i] > floor_of(i)) to[count++] = static_cast<std::uint32_t>(i);
  return count;
}

inline std::size_t above(const float* values, std::size_t n, float floor, std::uint32_t* to) {
  const auto floors = hn::Set(D(), floor);
  return list(
      values, n, [&](std::size_t) HWY_ATTR { return floors; }, [&](std::size_t) { return floor; },
      to);
}

inline std::size_t above_each(const float* values, std::size_t n, const float* floors,
                              std::uint32_t* to) {
  return list(
      values, n, [&](std::size_t i) HWY_ATTR { return hn::LoadU(D(), floors + i); },
      [&](std::size_t i) { return floors[i]; }, to);
}

}  // namespace passing

inline PassingKernels passing_kernels() { return {&passing::above, &passing::above_each}; }

}  // namespace serpette::detail::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // SERPETTE_EACH_TARGET
