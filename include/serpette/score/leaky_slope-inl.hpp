/// @file
/// The loop of `through_leaky` for one instruction set: leaky_slope.hpp includes this file
/// repeatedly, hence no #pragma once. Included by itself it is that header.

#ifndef SERPETTE_EACH_TARGET
#include "serpette/score/leaky_slope.hpp"
#else

#include <cstddef>
#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace serpette::detail::HWY_NAMESPACE {

inline void through_leaky(const float* multiplier, const float* out, const float* reference,
                          float* result, std::int64_t count, float a, float threshold) {
  const hn::ScalableTag<float> d;
  const auto zero = hn::Zero(d), one = hn::Set(d, 1), slope = hn::Set(d, a),
             least = hn::Set(d, threshold);
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (std::int64_t i = 0; i < count; i += lanes) {
    const auto left = static_cast<std::size_t>(count - i);
    const auto o = load_first(d, out + i, left), r = load_first(d, reference + i, left);
    const auto rise = hn::Sub(hn::Max(o, zero), hn::Max(r, zero));
    const auto delta = hn::Add(rise, hn::Div(hn::Sub(hn::Min(o, zero), hn::Min(r, zero)), slope));
    const auto small = hn::Lt(hn::Abs(delta), least);
    const auto between =
        hn::MulAdd(hn::Sub(one, slope), hn::Div(rise, hn::IfThenElse(small, one, delta)), slope);
    const auto derivative = hn::IfThenElse(hn::Ge(o, zero), one, slope);
    const auto m = load_first(d, multiplier + i, left);
    store_first(d, hn::Mul(m, hn::IfThenElse(small, derivative, between)), result + i, left);
  }
}

}  // namespace serpette::detail::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // SERPETTE_EACH_TARGET
