/// @file
/// Highway's operations for one instruction set, and ours beside them: each_target-inl.hpp includes
/// this file repeatedly, hence no #pragma once.

#include <hwy/highway.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(SERPETTE_OPERATIONS_PER_TARGET) == defined(HWY_TARGET_TOGGLE)
#ifdef SERPETTE_OPERATIONS_PER_TARGET
#undef SERPETTE_OPERATIONS_PER_TARGET
#else
#define SERPETTE_OPERATIONS_PER_TARGET
#endif

HWY_BEFORE_NAMESPACE();
namespace serpette::detail::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Masked loads and stores that touch no lane outside the mask.
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2
#define SERPETTE_MASKED_MEMORY 1
#else
#define SERPETTE_MASKED_MEMORY 0
#endif

/// The first `count` lanes from memory, zeros behind them; reads nothing else.
template <class D>
HWY_INLINE hn::Vec<D> load_first(D d, const float* from, std::size_t count) {
  if (count >= hn::Lanes(d)) return hn::LoadU(d, from);
#if SERPETTE_MASKED_MEMORY
  return hn::MaskedLoad(hn::FirstN(d, count), d, from);
#else
  HWY_ALIGN float lanes[HWY_MAX_BYTES / sizeof(float)] = {};
  std::memcpy(lanes, from, count * sizeof(float));
  return hn::Load(d, lanes);
#endif
}

/// Lanes begin … end − 1 from memory, zeros around them; reads nothing else.
template <class D>
HWY_INLINE hn::Vec<D> load_between(D d, const float* from, std::size_t begin, std::size_t end) {
  if (begin == 0) return load_first(d, from, end);
#if SERPETTE_MASKED_MEMORY
  return hn::MaskedLoad(hn::AndNot(hn::FirstN(d, begin), hn::FirstN(d, end)), d, from);
#else
  HWY_ALIGN float lanes[HWY_MAX_BYTES / sizeof(float)] = {};
  end = std::min(end, hn::Lanes(d));
  if (begin < end) std::memcpy(lanes + begin, from + begin, (end - begin) * sizeof(float));
  return hn::Load(d, lanes);
#endif
}

/// The first `count` lanes to memory; writes nothing else.
template <class D>
HWY_INLINE void store_first(D d, hn::Vec<D> v, float* to, std::size_t count) {
  if (count >= hn::Lanes(d)) {
    hn::StoreU(v, d, to);
    return;
  }
#if SERPETTE_MASKED_MEMORY
  hn::BlendedStore(v, hn::FirstN(d, count), d, to);
#else
  HWY_ALIGN float lanes[HWY_MAX_BYTES / sizeof(float)];
  hn::Store(v, d, lanes);
  std::memcpy(to, lanes, count * sizeof(float));
#endif
}

#undef SERPETTE_MASKED_MEMORY

/// v where v > 0, else slope · v: every activation but the logistic.
template <class D>
HWY_INLINE hn::Vec<D> activate(D d, hn::Vec<D> v, hn::Vec<D> slope) {
  return hn::IfThenElse(hn::Gt(v, hn::Zero(d)), v, hn::Mul(v, slope));
}

/// What becomes a byte by deploy::Quantization: in float up to the end, where every byte is exact.
/// @param steps  1 ÷ its scale.
template <class D>
HWY_INLINE hn::Vec<D> quantized(D d, hn::Vec<D> v, hn::Vec<D> steps, hn::Vec<D> zero) {
  const auto near = hn::Add(hn::Round(hn::Mul(v, steps)), zero);
  return hn::Min(hn::Max(near, hn::Zero(d)), hn::Set(d, 255.0F));
}

/// A mask of the first lanes of up to 32; of fewer it is cut off.
HWY_INLINE std::uint32_t first_bits(std::ptrdiff_t count) {
  return static_cast<std::uint32_t>((std::uint64_t{1} << std::clamp<std::ptrdiff_t>(count, 0, 32)) -
                                    1);
}

}  // namespace serpette::detail::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // SERPETTE_OPERATIONS_PER_TARGET
