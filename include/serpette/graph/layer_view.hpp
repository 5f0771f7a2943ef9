#pragma once

#include <string_view>

#include "serpette/graph/layer_parameters.hpp"
#include "serpette/torch/tensor.hpp"

namespace serpette {

/// What a ScoreInit sees of one convolution.
struct LayerView {
  std::string_view name{};  ///< As errors and reports call it, e.g. "conv_7".
  int index = 0;            ///< Position in the graph.
  at::Tensor weight{};      ///< [C_out, C_in / groups, k_h, k_w], detached.
  at::Tensor gamma{};       ///< [C_out] batch norm scale; undefined without batch norm.
  at::Tensor input{};  ///< [N, C_in, H, W] activations; undefined if the policy says `needs_input =
                       ///< false`.
  at::Tensor gradient{};  ///< ∂loss/∂weight, like `weight`; undefined unless the policy says
                          ///< `needs_gradient = true`.
};

}  // namespace serpette
