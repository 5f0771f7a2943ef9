#pragma once

#include <ATen/Context.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/convolution_backward.h>

#include <cstdint>
#include <tuple>

#include "serpette/graph/graph.hpp"
#include "serpette/torch/tensor.hpp"

namespace serpette {

namespace detail {

/// The dilation to name: any is the same for a 1×1 kernel, which has no neighbours to move apart.
/// But LibTorch chooses by it. On one thread it gives undilated 1×1 convolutions to a plain matrix
/// product and dilated ones to oneDNN, which is two to three times as fast in both directions.
/// Small single images never go to oneDNN (ATen/native/Convolution.cpp, use_mkldnn).
inline std::int64_t dilation(const at::Tensor& x, const Convolutional& c) {
  constexpr std::int64_t kSmall = 20480;
  const bool faster = c.size == 1 && x.is_cpu() && x.scalar_type() == at::kFloat &&
                      (x.size(0) > 1 || x.numel() > kSmall) &&
                      at::globalContext().userEnabledMkldnn() && at::hasMKLDNN();
  return faster ? 2 : 1;
}

}  // namespace detail

/// The convolution without its activation.
/// @param x       [N, C_in, H, W]
/// @param weight  [C_out, C_in / groups, k, k]
/// @param bias    [C_out], or undefined.
inline at::Tensor convolve(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                           const Convolutional& c) {
  return at::conv2d(x, weight, bias, c.stride, c.padding, detail::dilation(x, c), c.groups);
}

/// Gradients of `convolve` by input and weight; what is not wanted is undefined.
inline std::tuple<at::Tensor, at::Tensor> convolve_backward(const at::Tensor& gradient,
                                                            const at::Tensor& x,
                                                            const at::Tensor& weight,
                                                            const Convolutional& c, bool by_input,
                                                            bool by_weight) {
  const auto d = detail::dilation(x, c);
  const auto [to_input, to_weight, none] = at::convolution_backward(
      gradient, x, weight, at::OptionalIntArrayRef{}, {c.stride, c.stride}, {c.padding, c.padding},
      {d, d}, false, {0, 0}, c.groups, {by_input, by_weight, false});
  return {to_input, to_weight};
}

}  // namespace serpette
