#pragma once

/// @file
/// Activations as functions of tensors: value, derivative, and gradient. A new one joins the enum
/// in graph.hpp; the switches here, darknet's names and DeepLIFT's slope are then all there is to
/// say.

#include <ATen/core/grad_mode.h>
#include <ATen/ops/leaky_relu.h>
#include <ATen/ops/leaky_relu_backward.h>
#include <ATen/ops/mish.h>
#include <ATen/ops/mish_backward.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/sigmoid_backward.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/silu_backward.h>
#include <ATen/ops/threshold_backward.h>

#include "serpette/graph/graph.hpp"
#include "serpette/torch/tensor.hpp"

namespace serpette {

/// Whether its slope can be had from its output alone, so that the input need not be kept.
constexpr bool slope_is_in_output(Activation activation) {
  return activation != Activation::kMish && activation != Activation::kSwish;
}

namespace detail {

/// The activation, in place where autograd allows: `x` must be fresh from an operation whose
/// backward pass does not read its own result, and is lost.
inline at::Tensor activate_(at::Tensor x, Activation activation) {
  const bool is_recorded = at::GradMode::is_enabled() && x.requires_grad();
  switch (activation) {
    case Activation::kLinear:
      return x;
    case Activation::kLeaky:
      return at::leaky_relu_(x, kLeakySlope);
    case Activation::kRelu:
      return x.relu_();
    case Activation::kLogistic:
      return x.sigmoid_();
    case Activation::kMish:  // these two differentiate by their input
      return is_recorded ? at::mish(x) : at::mish_(x);
    case Activation::kSwish:
      return is_recorded ? at::silu(x) : at::silu_(x);
  }
  return x;
}

/// ∂L/∂x from the gradient by the activation's output.
/// @param kept  the output, or the input of an activation whose slope is not in the output.
inline at::Tensor activation_backward(const at::Tensor& gradient, const at::Tensor& kept,
                                      Activation activation) {
  switch (activation) {
    case Activation::kLinear:
      return gradient;
    case Activation::kLeaky:
      return at::leaky_relu_backward(gradient, kept, kLeakySlope, true);
    case Activation::kRelu:
      return at::threshold_backward(gradient, kept, 0);
    case Activation::kLogistic:
      return at::sigmoid_backward(gradient, kept);
    case Activation::kMish:
      return at::mish_backward(gradient, kept);
    case Activation::kSwish:
      return at::silu_backward(gradient, kept);
  }
  return gradient;
}

/// f'(x); on the kink of leaky and ReLU the slope above it.
inline at::Tensor derivative(const at::Tensor& x, Activation activation) {
  const double low = activation == Activation::kLeaky ? kLeakySlope : 0.0;
  switch (activation) {
    case Activation::kLeaky:
    case Activation::kRelu:
      return (x.ge(0)).to(x.scalar_type()).mul_(1 - low).add_(low);
    case Activation::kLogistic:
      return at::sigmoid_backward(at::ones_like(x), x.sigmoid());
    case Activation::kLinear:
    case Activation::kMish:
    case Activation::kSwish:
      break;
  }
  return activation_backward(at::ones_like(x), x, activation);
}

}  // namespace detail

}  // namespace serpette
