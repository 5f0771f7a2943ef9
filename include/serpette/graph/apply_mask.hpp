#pragma once

#include <ATen/core/grad_mode.h>

#include "serpette/graph/layer_parameters.hpp"
#include "serpette/graph/mask.hpp"

namespace serpette {

/// Zeroes what the mask removes: weights, γ, β and bias of removed filters, and the weights that
/// read removed inputs, in place and outside autograd. Idempotent; call it when the mask is made
/// and after every optimizer step.
inline void apply_mask(const LayerMask& mask, const LayerParameters& layer) {
  const at::NoGradGuard no_grad;
  layer.weight.mul_(mask.weight);
  if (mask.input.defined()) {
    // [C_in] → [groups, 1, C_in / groups]: the filters of a group read its own channels.
    const auto per_group = layer.weight.size(1), groups = mask.input.size(0) / per_group;
    layer.weight.unflatten(0, {groups, -1})
        .mul_(mask.input.view({groups, 1, per_group, 1, 1}).to(layer.weight.device()));
  }
  if (!mask.filter.defined()) return;
  for (const at::Tensor* vector : {&layer.gamma, &layer.beta, &layer.bias})
    if (vector->defined()) vector->mul_(mask.filter);
}

}  // namespace serpette
