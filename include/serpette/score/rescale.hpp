#pragma once

#include <ATen/Parallel.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/max_pool2d_with_indices.h>
#include <ATen/ops/where.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <tuple>

#include "serpette/graph/activation.hpp"
#include "serpette/graph/graph.hpp"
#include "serpette/score/leaky_slope.hpp"
#include "serpette/torch/operators.hpp"

namespace serpette {

/// DeepLIFT's Rescale rule: the derivative of a nonlinearity is replaced by its slope between the
/// reference and the image, so that every layer explains the whole difference  f(x) − f(x⁰)  and
/// not only its local part. Source: Shrikumar et al. 2017, sec. 3.5.1.

/// Below this |Δ| the slope is taken as the derivative at the image.
inline constexpr double kRescaleThreshold = 1e-7;

/// Slope  (f(y) − f(y⁰)) / (y − y⁰)  of leaky, `a` being its slope on the negative side, from
/// its *outputs*: leaky keeps signs, so y = out⁺ + out⁻/a, and the pre-activations need not be
/// kept. Exactly 1 where both sides are ≥ 0, a where both are < 0. Shapes broadcast.
inline at::Tensor leaky_slope(const at::Tensor& out, const at::Tensor& reference, double a) {
  const auto rise = out.clamp_min(0) - reference.clamp_min(0);
  const auto delta = (out.clamp_max(0) - reference.clamp_max(0)).div_(a).add_(rise);  // y − y⁰
  const auto slope = rise.div_(delta).mul_(1 - a).add_(a);
  const auto derivative = (out >= 0).to(slope.scalar_type()).mul_(1 - a).add_(a);
  return at::where(delta.abs() < kRescaleThreshold, derivative, slope);
}

namespace detail {
/// One image of `through_leaky` on the CPU.
inline void through_leaky(const float* m, const float* out, const float* reference, float* result,
                          std::int64_t count, float a) {
  constexpr std::int64_t kGrain = 1 << 15;
  at::parallel_for(0, count, kGrain, [&](std::int64_t begin, std::int64_t end) {
    through_leaky_here(m + begin, out + begin, reference + begin, result + begin, end - begin, a,
                       static_cast<float>(kRescaleThreshold));
  });
}
}  // namespace detail

/// multiplier · leaky_slope(out, reference, a): the multiplier in front of the activation.
/// @param out, multiplier  [N, C, H, W].
/// @param reference        the same, or [1, C, H, W].
inline at::Tensor through_leaky(const at::Tensor& multiplier, const at::Tensor& out,
                                const at::Tensor& reference, double a) {
  const auto format = out.suggest_memory_format();
  if (!out.is_cpu() || out.scalar_type() != at::kFloat || multiplier.scalar_type() != at::kFloat ||
      !out.is_contiguous(format) || !reference.is_contiguous(format))
    return leaky_slope(out, reference, a).mul_(multiplier);
  const auto m = multiplier.contiguous(format);
  auto result = at::empty_like(out);
  const auto image = out.numel() / out.size(0), next = reference.size(0) == 1 ? 0 : image;
  for (std::int64_t n = 0; n < out.size(0); ++n)
    detail::through_leaky(
        m.const_data_ptr<float>() + n * image, out.const_data_ptr<float>() + n * image,
        reference.const_data_ptr<float>() + n * next, result.mutable_data_ptr<float>() + n * image,
        image, static_cast<float>(a));
  return result;
}

/// The same slope for ReLU, from its inputs.
inline at::Tensor relu_slope(const at::Tensor& y, const at::Tensor& reference) {
  const auto delta = y - reference;
  const auto slope = (y.clamp_min(0) - reference.clamp_min(0)).div_(delta);
  return at::where(delta.abs() < kRescaleThreshold, (y >= 0).to(slope.scalar_type()), slope);
}

/// The same for the logistic function, from its inputs, without cancellation: with hi ≥ lo the two
/// ends and d = hi − lo,
///   σ(hi) − σ(lo) = σ(hi) · σ(−lo) · (1 − e^{−d}).
inline at::Tensor logistic_slope(const at::Tensor& y, const at::Tensor& reference) {
  const auto d = (y - reference).abs();
  const auto ends = y.maximum(reference).sigmoid() * y.minimum(reference).neg().sigmoid();
  return ends * at::where(d < kRescaleThreshold, d.new_ones({}), d.neg().expm1().neg() / d);
}

/// The same for any smooth function, from inputs and outputs. Where the two ends are close, the
/// derivative half-way, which then is nearer to the slope than the difference of rounded outputs.
inline at::Tensor secant_slope(const at::Tensor& y, const at::Tensor& reference,
                               const at::Tensor& out, const at::Tensor& reference_out,
                               Activation activation) {
  const double close = y.scalar_type() == at::kDouble ? 1e-5 : 1e-2;
  const auto delta = y - reference;
  return at::where(delta.abs() < close, detail::derivative((y + reference) * 0.5, activation),
                   (out - reference_out) / delta);
}

/// Max-pool as darknet pads it, with the memory of where each maximum stood.
struct PooledMaximum {
  at::Tensor value;  ///< [N, C, H_out, W_out]
  at::Tensor place;  ///< The maximum's index in the plane padded with −∞, int64.

  static PooledMaximum of(const at::Tensor& x, const MaxPool& pool) {
    const int before = pool.padding / 2, after = pool.padding - before;
    const auto padded = at::constant_pad_nd(x, {before, after, before, after},
                                            -std::numeric_limits<double>::infinity());
    auto [value, place] = at::max_pool2d_with_indices(padded, pool.size, pool.stride);
    return {value, place};
  }
};

/// Multiplier of a max-pool's input from that of its output. In each window the maxima y and y⁰
/// credit
///   max(y, y⁰) − y⁰  to y's place  and  y − max(y, y⁰)  to y⁰'s,
/// which add up to y − y⁰; overlapping windows add; the multiplier of a place is its credit ÷ Δx.
/// Either credit is no larger than the Δx it is divided by. Source: Shrikumar et al.'s reference
/// implementation.
/// @param multiplier  of the output, [N, C, H_out, W_out].
/// @param x, x0       inputs of image and reference; x0 may hold one reference for all images.
inline at::Tensor max_pool_multiplier(const at::Tensor& multiplier, const at::Tensor& x,
                                      const at::Tensor& x0, const MaxPool& pool) {
  const auto now = PooledMaximum::of(x, pool), then = PooledMaximum::of(x0, pool);
  const auto n = x.size(0), c = x.size(1), h = x.size(2) + pool.padding,
             w = x.size(3) + pool.padding;
  const auto flat = [&](const at::Tensor& t) { return t.expand_as(multiplier).flatten(2); };
  const auto m = flat(multiplier), y = flat(now.value), y0 = flat(then.value);
  const auto top = y.maximum(y0);

  auto credit = x.new_zeros({n, c, h * w}), derivative = x.new_zeros({n, c, h * w});
  credit.scatter_add_(2, flat(now.place), m * (top - y0));
  credit.scatter_add_(2, flat(then.place), m * (y - top));
  derivative.scatter_add_(2, flat(now.place), m);
  const auto inside = [&](const at::Tensor& t) {
    const auto before = pool.padding / 2;
    return t.view({n, c, h, w}).narrow(2, before, x.size(2)).narrow(3, before, x.size(3));
  };
  const auto delta = x - x0;
  return at::where(delta.abs() < kRescaleThreshold, inside(derivative), inside(credit) / delta);
}

}  // namespace serpette
