/// @file
/// The inner loops of layers without weights for one instruction set: map_kernels.hpp includes this
/// file repeatedly, hence no #pragma once. Included by itself it is that header.

#ifndef SERPETTE_EACH_TARGET
#include "serpette/deploy/map_kernels.hpp"
#else

#include <algorithm>
#include <cstddef>

#include "serpette/deploy/map_job.hpp"

HWY_BEFORE_NAMESPACE();
namespace serpette::deploy::HWY_NAMESPACE {

namespace maps {

namespace hn = hwy::HWY_NAMESPACE;
using serpette::detail::HWY_NAMESPACE::activate;
using serpette::detail::HWY_NAMESPACE::load_first;
using serpette::detail::HWY_NAMESPACE::store_first;
using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

/// Calls f(first, count) for every vector of n numbers.
template <class F>
HWY_INLINE void each_vector(std::size_t n, const F& f) {
  const std::size_t lanes = hn::Lanes(D());
  for (std::size_t i = 0; i < n; i += lanes) f(i, std::min(lanes, n - i));
}

inline void highest(const float* const* rows, std::size_t count, std::size_t n, float* to) {
  const D d;
  each_vector(n, [&](std::size_t i, std::size_t left) HWY_ATTR {
    V v = load_first(d, rows[0] + i, left);
    for (std::size_t k = 1; k < count; ++k) {
      const V x = load_first(d, rows[k] + i, left);
      // Not a number stays one, as in LibTorch.
      v = hn::IfThenElse(hn::Or(hn::Gt(x, v), hn::Ne(x, x)), x, v);
    }
    store_first(d, v, to + i, left);
  });
}

inline void split(const float* from, std::size_t n, float* first, float* second) {
  const D d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    V even, odd;
    hn::LoadInterleaved2(d, from + 2 * i, even, odd);
    hn::StoreU(even, d, first + i);
    hn::StoreU(odd, d, second + i);
  }
  for (; i < n; ++i) {
    first[i] = from[2 * i];
    second[i] = from[2 * i + 1];
  }
}

inline void repeat(const float* from, std::size_t n, std::size_t times, float* to) {
  const D d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  if (times == 2)
    for (; i + lanes <= n; i += lanes) {
      const V v = hn::LoadU(d, from + i);
      hn::StoreInterleaved2(v, v, d, to + 2 * i);
    }
  for (; i < n; ++i) std::fill_n(to + times * i, times, from[i]);
}

inline void add(const float* x, const float* y, float slope, std::size_t n, float* to) {
  const D d;
  const V below = hn::Set(d, slope);
  each_vector(n, [&](std::size_t i, std::size_t left) HWY_ATTR {
    const V sum = hn::Add(load_first(d, x + i, left), load_first(d, y + i, left));
    store_first(d, activate(d, sum, below), to + i, left);
  });
}

inline void multiply(const float* x, const float* y, std::size_t n, float* to) {
  const D d;
  each_vector(n, [&](std::size_t i, std::size_t left) HWY_ATTR {
    store_first(d, hn::Mul(load_first(d, x + i, left), load_first(d, y + i, left)), to + i, left);
  });
}

inline void scale(const float* x, float factor, std::size_t n, float* to) {
  const D d;
  const V by = hn::Set(d, factor);
  each_vector(n, [&](std::size_t i, std::size_t left) HWY_ATTR {
    store_first(d, hn::Mul(load_first(d, x + i, left), by), to + i, left);
  });
}

/// eˣ to about 10⁻⁷ of itself, for x in [−87, 88]; beyond, of the nearer end:  2ⁿ · p(x − n ln 2)
/// with Cephes' polynomial of degree 6.
HWY_INLINE V exponential(D d, V x) {
  const auto number = [&](double value) HWY_ATTR { return hn::Set(d, static_cast<float>(value)); };
  x = hn::Min(hn::Max(x, number(-87)), number(88));
  const V n = hn::Round(hn::Mul(x, number(1.4426950408889634)));
  const V r = hn::NegMulAdd(n, number(-2.12194440e-4), hn::NegMulAdd(n, number(0.693359375), x));
  V p = number(1.9875691500e-4);
  for (const double c : {1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 0.5})
    p = hn::MulAdd(p, r, number(c));
  p = hn::Add(hn::MulAdd(hn::Mul(r, r), p, r), number(1));
  const hn::RebindToSigned<D> di;
  const auto power = hn::ShiftLeft<23>(hn::Add(hn::ConvertTo(di, n), hn::Set(di, 127)));
  return hn::Mul(p, hn::BitCast(d, power));
}

inline void activate_all(Activation activation, std::size_t n, float* data) {
  const D d;
  const V one = hn::Set(d, 1.0F);
  const auto pass = [&](const auto& of) HWY_ATTR {
    each_vector(n, [&](std::size_t i, std::size_t left) HWY_ATTR {
      store_first(d, of(load_first(d, data + i, left)), data + i, left);
    });
  };
  const auto logistic = [&](V x) HWY_ATTR {
    const V y = hn::Div(one, hn::Add(one, exponential(d, hn::Neg(x))));
    return hn::IfThenElse(hn::IsNaN(x), x, y);  // the bounds of `exponential` take it for a number
  };
  switch (activation) {
    case Activation::kLinear:
      return;
    case Activation::kLeaky:
    case Activation::kRelu:
      return pass([&, below = hn::Set(d, static_cast<float>(slope_of(activation)))](V x)
                      HWY_ATTR { return activate(d, x, below); });
    case Activation::kLogistic:
      return pass(logistic);
    case Activation::kSwish:
      return pass([&](V x) HWY_ATTR { return hn::Mul(x, logistic(x)); });
    case Activation::kMish:
      // tanh(ln(1 + e)) = m / (m + 2) with m = e (e + 2), which is 1 in float from x = 20 on.
      return pass([&](V x) HWY_ATTR {
        const V e = exponential(d, hn::Min(x, hn::Set(d, 20.0F)));
        const V m = hn::Mul(e, hn::Add(e, hn::Set(d, 2.0F)));
        return hn::Mul(x, hn::Div(m, hn::Add(m, hn::Set(d, 2.0F))));
      });
  }
}

}  // namespace maps

inline MapKernels map_kernels() {
  return {&maps::highest,  &maps::split, &maps::repeat,      &maps::add,
          &maps::multiply, &maps::scale, &maps::activate_all};
}

}  // namespace serpette::deploy::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // SERPETTE_EACH_TARGET
