#pragma once

#include <ATen/core/grad_mode.h>

#include "serpette/graph/layer_view.hpp"
#include "serpette/graph/mask.hpp"

namespace serpette {

/// Zeroes what the mask removes: weights, and γ, β and bias of removed filters, in place and
/// outside autograd. Idempotent; call it when the mask is made and after every optimizer step.
inline void apply_mask(const LayerMask& mask, const LayerParameters& layer) {
  const at::NoGradGuard no_grad;
  layer.weight.mul_(mask.weight);
  if (!mask.filter.defined()) return;
  for (const at::Tensor* vector : {&layer.gamma, &layer.beta, &layer.bias})
    if (vector->defined()) vector->mul_(mask.filter);
}

}  // namespace serpette
