#pragma once

#include <ATen/Parallel.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <vector>

#include "serpette/graph/execute.hpp"
#include "serpette/graph/graph.hpp"
#include "serpette/graph/layer_view.hpp"
#include "serpette/nn/batch_norm_kernels.hpp"
#include "serpette/torch/nn.hpp"

namespace serpette {

namespace detail {

/// Batch norm in training and its activation as one step, for channels-last maps on the CPU:
///   x̂ = (x − μ)/√(σ² + ε),  y = γ·x̂ + β,  z = max(y, 0) + slope·min(y, 0).
/// LibTorch's operations one after the other read and write the maps about twice as often, and
/// that is what these layers cost. The sign of y is computed again on the way back, so that z need
/// not be kept; sums are in double over short sums in float.
struct BatchNormActivation : torch::autograd::Function<BatchNormActivation> {
  using Context = torch::autograd::AutogradContext;

  /// Whether this path computes it; otherwise LibTorch's operations do.
  static bool fits(const at::Tensor& x, const at::Tensor& gamma, Activation activation) {
    return x.is_cpu() && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16) &&
           gamma.scalar_type() == at::kFloat && x.dim() == 4 && x.numel() > x.size(1) &&
           x.is_contiguous(at::MemoryFormat::ChannelsLast) && is_piecewise_linear(activation);
  }

  static at::Tensor forward(Context* context, const at::Tensor& x, const at::Tensor& gamma,
                            const at::Tensor& beta, const at::Tensor& running_mean,
                            const at::Tensor& running_var, double momentum, double slope) {
    const batch_norm::Tiling tiling(x.numel() / x.size(1), x.size(1));
    const auto channels = tiling.channels;
    auto mean = at::empty({channels}, gamma.options()), inverse = at::empty_like(mean);
    {
      // About the first row, so that the squares do not cancel.
      std::vector<float> origin(static_cast<std::size_t>(channels));
      over(x, [&](const auto* in) {
        std::transform(in, in + channels, origin.begin(),
                       [](auto v) { return batch_norm::widen(v); });
      });
      const auto origins = tiling.repeated(origin.data());
      const auto total = sum_blocks(tiling, [&](std::int64_t block, double* one, double* two) {
        over(x, [&](const auto* in) { batch_norm::sums(tiling, in, origins, block, one, two); });
      });
      const auto n = static_cast<double>(tiling.rows);
      auto *to_mean = mean.mutable_data_ptr<float>(),
           *to_inverse = inverse.mutable_data_ptr<float>();
      auto old_mean = running_mean.accessor<float, 1>(), old_var = running_var.accessor<float, 1>();
      for (std::int64_t c = 0; c < channels; ++c) {
        const double off = total[static_cast<std::size_t>(c)] / n;
        const double squares = total[static_cast<std::size_t>(channels + c)] - n * off * off;
        const double variance = std::max(0.0, squares / n);
        const double centre = origin[static_cast<std::size_t>(c)] + off;
        to_mean[c] = static_cast<float>(centre);
        to_inverse[c] = static_cast<float>(1 / std::sqrt(variance + kBatchNormEpsilon));
        const auto blend = [&](float& old, double now) {
          old = static_cast<float>((1 - momentum) * old + momentum * now);
        };
        blend(old_mean[c], centre);
        blend(old_var[c], variance * n / (n - 1));
      }
    }
    const auto coefficients = of(tiling, mean, inverse, gamma, beta, slope);
    auto y = at::empty_like(x);
    each_block(tiling, [&](std::int64_t block) {
      over(x, [&](const auto* in) {
        batch_norm::apply(tiling, coefficients, in, data(y, in), block);
      });
    });
    context->save_for_backward({x, gamma, beta, mean, inverse});
    context->saved_data["slope"] = slope;
    return y;
  }

  /// With g the gradient in front of the activation:  ∂L/∂x = γ/σ·(g − mean g − x̂·mean(g·x̂)).
  static torch::autograd::variable_list backward(Context* context,
                                                 const torch::autograd::variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const auto &x = saved[0], &gamma = saved[1], &beta = saved[2], &mean = saved[3],
               &inverse = saved[4];
    const auto gradient =
        gradients[0].to(x.scalar_type()).contiguous(at::MemoryFormat::ChannelsLast);
    const batch_norm::Tiling tiling(x.numel() / x.size(1), x.size(1));
    const auto coefficients =
        of(tiling, mean, inverse, gamma, beta, context->saved_data["slope"].toDouble());
    const auto total = sum_blocks(tiling, [&](std::int64_t block, double* one, double* two) {
      over(x, [&](const auto* in) {
        batch_norm::backward_sums(tiling, coefficients, in, data(gradient, in), block, one, two);
      });
    });

    const auto channels = static_cast<std::size_t>(tiling.channels);
    auto of_gamma = at::empty_like(gamma), of_beta = at::empty_like(gamma);
    std::vector<float> by_x(channels), constant(channels);
    for (std::size_t c = 0; c < channels; ++c) {
      const double inv = inverse.const_data_ptr<float>()[c];
      const double scale = inv * gamma.const_data_ptr<float>()[c];
      const double g = total[c], g_hat = total[channels + c] * inv;
      of_beta.mutable_data_ptr<float>()[c] = static_cast<float>(g);
      of_gamma.mutable_data_ptr<float>()[c] = static_cast<float>(g_hat);
      by_x[c] = static_cast<float>(-scale * inv * g_hat / static_cast<double>(tiling.rows));
      constant[c] = static_cast<float>(-scale * g / static_cast<double>(tiling.rows));
    }
    auto of_x = at::empty_like(x);
    const auto k1 = tiling.repeated(by_x.data()), k0 = tiling.repeated(constant.data());
    each_block(tiling, [&](std::int64_t block) {
      over(x, [&](const auto* in) {
        batch_norm::backward_apply(tiling, coefficients, k1, k0, in, data(gradient, in),
                                   data(of_x, in), block);
      });
    });
    return {of_x, of_gamma, of_beta, {}, {}, {}, {}};
  }

 private:
  /// Calls f with the tensor's numbers as the kernels read them.
  template <class F>
  static void over(const at::Tensor& x, const F& f) {
    if (x.scalar_type() == at::kFloat) return f(x.const_data_ptr<float>());
    f(reinterpret_cast<const batch_norm::Half*>(x.const_data_ptr<at::BFloat16>()));
  }

  template <class T>
  static const T* data(const at::Tensor& x, const T*) {
    return static_cast<const T*>(x.const_data_ptr());
  }
  template <class T>
  static T* data(at::Tensor& x, const T*) {
    return static_cast<T*>(x.mutable_data_ptr());
  }

  static batch_norm::Coefficients of(const batch_norm::Tiling& tiling, const at::Tensor& mean,
                                     const at::Tensor& inverse, const at::Tensor& gamma,
                                     const at::Tensor& beta, double slope) {
    const auto scale = (gamma.detach() * inverse).contiguous(), shift = beta.detach().contiguous();
    return {tiling.repeated(mean.const_data_ptr<float>()),
            tiling.repeated(scale.const_data_ptr<float>()),
            tiling.repeated(shift.const_data_ptr<float>()), static_cast<float>(slope)};
  }

  template <class F>
  static void each_block(const batch_norm::Tiling& tiling, const F& f) {
    at::parallel_for(0, tiling.blocks(), 1, [&](std::int64_t begin, std::int64_t end) {
      for (auto block = begin; block < end; ++block) f(block);
    });
  }

  /// Two sums per channel [2 · channels] over all blocks, in their order.
  template <class F>
  static std::vector<double> sum_blocks(const batch_norm::Tiling& tiling, const F& f) {
    const auto width = 2 * tiling.channels;
    std::vector<double> parts(static_cast<std::size_t>(tiling.blocks() * width));
    each_block(tiling, [&](std::int64_t block) {
      auto* first = parts.data() + block * width;
      f(block, first, first + tiling.channels);
    });
    for (auto part = parts.begin() + width; part != parts.end(); part += width)
      std::transform(part, part + width, parts.begin(), parts.begin(), std::plus<>());
    parts.resize(static_cast<std::size_t>(width));
    return parts;
  }
};

}  // namespace detail

/// activation(batch norm of x). In training by the batch's own statistics, which move the running
/// ones:  r ← (1 − momentum)·r + momentum·batch  (variance unbiased); else by the running ones.
/// @param x  [N, C, H, W]; may be overwritten.
inline at::Tensor normalise_and_activate(const at::Tensor& x, const LayerParameters& p,
                                         Activation activation, bool training, double momentum) {
  if (training && detail::BatchNormActivation::fits(x, p.gamma, activation)) {
    return detail::BatchNormActivation::apply(x, p.gamma, p.beta, p.running_mean, p.running_var,
                                              momentum, slope_of(activation));
  }
  return detail::activate_(at::batch_norm(x, p.gamma, p.beta, p.running_mean, p.running_var,
                                          training, momentum, kBatchNormEpsilon, true),
                           activation);
}

}  // namespace serpette
