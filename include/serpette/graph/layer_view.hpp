#pragma once

#include <string_view>

#include "serpette/torch/tensor.hpp"

namespace serpette {

/// The tensors of one convolution and its batch norm; handles, not copies. `bias` is undefined
/// where batch norm follows, the other four are undefined where it does not.
struct LayerParameters {
  at::Tensor weight;        ///< [C_out, C_in / groups, k_h, k_w]
  at::Tensor bias;          ///< [C_out]
  at::Tensor gamma;         ///< [C_out] batch norm scale
  at::Tensor beta;          ///< [C_out] batch norm shift
  at::Tensor running_mean;  ///< [C_out]
  at::Tensor running_var;   ///< [C_out]
};

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
