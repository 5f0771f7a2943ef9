/// @file
/// The loops of batch norm in training for one instruction set: batch_norm_kernels.hpp includes
/// this file repeatedly, hence no #pragma once. Included by itself it is that header.

#ifndef SERPETTE_EACH_TARGET
#include "serpette/nn/batch_norm_kernels.hpp"
#else

#include <cstdint>

#include "serpette/nn/batch_norm_job.hpp"

HWY_BEFORE_NAMESPACE();
namespace serpette::detail::batch_norm::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

template <class D>
HWY_INLINE hn::Vec<D> load(D d, const float* from) {
  return hn::LoadU(d, from);
}
template <class D>
HWY_INLINE hn::Vec<D> load(D d, const Half* from) {
  const hn::Rebind<std::uint16_t, D> halves;
  const hn::RebindToUnsigned<D> bits;
  const auto low =
      hn::PromoteTo(bits, hn::LoadU(halves, reinterpret_cast<const std::uint16_t*>(from)));
  return hn::BitCast(d, hn::ShiftLeft<16>(low));
}

template <class D>
HWY_INLINE void store(D d, hn::Vec<D> v, float* to) {
  hn::StoreU(v, d, to);
}
/// To the nearest, ties to even; what is no number stays none.
template <class D>
HWY_INLINE void store(D, hn::Vec<D> v, Half* to) {
  const hn::Rebind<std::uint16_t, D> halves;
  const hn::RebindToUnsigned<D> unsigned_bits;
  const hn::RebindToSigned<D> signed_bits;
  const auto bits = hn::BitCast(unsigned_bits, v);
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(unsigned_bits, 1));
  const auto rounded =
      hn::ShiftRight<16>(hn::Add(hn::Add(bits, hn::Set(unsigned_bits, 0x7FFF)), odd));
  const auto number = hn::RebindMask(unsigned_bits, hn::Eq(v, v));
  const auto result = hn::IfThenElse(number, rounded, hn::Set(unsigned_bits, 0x7FC0));
  hn::StoreU(hn::DemoteTo(halves, hn::BitCast(signed_bits, result)), halves,
             reinterpret_cast<std::uint16_t*>(to));
}

/// Calls f(tag, i) for the numbers 0 … count − 1, whole vectors first.
template <class F>
HWY_INLINE void each(std::int64_t count, const F& f) {
  const hn::ScalableTag<float> wide;
  const hn::CappedTag<float, 1> one;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(wide));
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) f(wide, i);
  for (; i < count; ++i) f(one, i);
}

template <class D>
HWY_INLINE void add(D d, hn::Vec<D> v, float* to) {
  hn::StoreU(hn::Add(hn::LoadU(d, to), v), d, to);
}

template <class T>
void sums(const T* x, const float* origin, std::int64_t count, float* first, float* second) {
  each(count, [&](auto d, std::int64_t i) HWY_ATTR {
    const auto off = hn::Sub(load(d, x + i), hn::LoadU(d, origin + i));
    add(d, off, first + i);
    hn::StoreU(hn::MulAdd(off, off, hn::LoadU(d, second + i)), d, second + i);
  });
}

template <class T>
void apply(const T* x, const Places& c, std::int64_t count, T* y) {
  each(count, [&](auto d, std::int64_t i) HWY_ATTR {
    const auto off = hn::Sub(load(d, x + i), hn::LoadU(d, c.mean + i));
    const auto v = hn::MulAdd(off, hn::LoadU(d, c.scale + i), hn::LoadU(d, c.shift + i));
    store(d, serpette::detail::HWY_NAMESPACE::activate(d, v, hn::Set(d, c.slope)), y + i);
  });
}

/// The gradient in front of the activation, and x − mean.
template <class D>
struct Before {
  hn::Vec<D> gradient, off;
};
template <class D, class T>
HWY_INLINE Before<D> before(D d, const T* x, const T* gradient, const Places& c, std::int64_t i) {
  const auto off = hn::Sub(load(d, x + i), hn::LoadU(d, c.mean + i));
  const auto y = hn::MulAdd(off, hn::LoadU(d, c.scale + i), hn::LoadU(d, c.shift + i));
  const auto g = load(d, gradient + i);
  return {hn::IfThenElse(hn::Gt(y, hn::Zero(d)), g, hn::Mul(g, hn::Set(d, c.slope))), off};
}

template <class T>
void backward_sums(const T* x, const T* gradient, const Places& c, std::int64_t count, float* first,
                   float* second) {
  each(count, [&](auto d, std::int64_t i) HWY_ATTR {
    const auto b = before(d, x, gradient, c, i);
    add(d, b.gradient, first + i);
    hn::StoreU(hn::MulAdd(b.gradient, b.off, hn::LoadU(d, second + i)), d, second + i);
  });
}

template <class T>
void backward_apply(const T* x, const T* gradient, const Places& c, std::int64_t count, T* result) {
  each(count, [&](auto d, std::int64_t i) HWY_ATTR {
    const auto b = before(d, x, gradient, c, i);
    const auto rest = hn::MulAdd(hn::LoadU(d, c.by_x + i), b.off, hn::LoadU(d, c.constant + i));
    store(d, hn::MulAdd(hn::LoadU(d, c.scale + i), b.gradient, rest), result + i);
  });
}

inline Loops<float> loops_f32() {
  return {&sums<float>, &apply<float>, &backward_sums<float>, &backward_apply<float>};
}
inline Loops<Half> loops_bf16() {
  return {&sums<Half>, &apply<Half>, &backward_sums<Half>, &backward_apply<Half>};
}

}  // namespace serpette::detail::batch_norm::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // SERPETTE_EACH_TARGET
