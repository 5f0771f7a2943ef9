#pragma once

#include <ATen/ops/batch_norm.h>

#include "serpette/graph/convolve.hpp"
#include "serpette/graph/graph.hpp"
#include "serpette/graph/layer_parameters.hpp"
#include "serpette/graph/layers.hpp"
#include "serpette/torch/tensor.hpp"

namespace serpette {

/// A convolution as it evaluates: batch norm by the running statistics, then the activation.
/// @param x  [N, C_in, H, W]
inline at::Tensor evaluate(const LayerParameters& p, const Convolutional& conv,
                           const at::Tensor& x) {
  auto y = convolve(x, p.weight, p.bias, conv);
  if (p.gamma.defined())
    y = at::batch_norm(y, p.gamma, p.beta, p.running_mean, p.running_var, false, 0,
                       kBatchNormEpsilon, false);
  return detail::activate_(y, conv.activation);
}

}  // namespace serpette
