#pragma once

#include "serpette/graph/graph.hpp"
#include "serpette/graph/layer_parameters.hpp"
#include "serpette/torch/operators.hpp"

namespace serpette {

/// A convolution with its batch norm folded in:  w' = w·γ/√(σ² + ε),  b' = β − μ·γ/√(σ² + ε).
struct FoldedConvolution {
  at::Tensor weight;  ///< [C_out, C_in / groups, k_h, k_w]
  at::Tensor bias;    ///< [C_out]
};

/// Folds in double and rounds once; detached, a copy. Without batch norm a copy of weight and bias.
inline FoldedConvolution fold_batch_norm(const LayerParameters& p) {
  if (!p.gamma.defined()) return {p.weight.detach().clone(), p.bias.detach().clone()};
  const auto scale =
      p.gamma.detach().to(at::kDouble) / (p.running_var.to(at::kDouble) + kBatchNormEpsilon).sqrt();
  const auto shift = p.beta.detach().to(at::kDouble) - p.running_mean.to(at::kDouble) * scale;
  return {p.weight.detach() * scale.to(p.weight.scalar_type()).view({-1, 1, 1, 1}),
          shift.to(p.weight.scalar_type())};
}

}  // namespace serpette
