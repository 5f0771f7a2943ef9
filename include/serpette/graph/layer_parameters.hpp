#pragma once

#include <ATen/ops/tensor.h>

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "serpette/graph/compaction.hpp"
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

/// One of them: what modules and files call it, where it is, and whether training moves it by its
/// gradient (the running statistics move by the batches instead).
struct LayerTensor {
  std::string_view name;
  at::Tensor LayerParameters::*member;
  bool is_trained;
};

/// All tensors that a convolution can have, in the order of darknet's weights files. What is done
/// to each tensor of a network (copy, store, restore, load, slice) is a loop over this list.
inline constexpr std::array<LayerTensor, 6> kLayerTensors{
    {{"bias", &LayerParameters::bias, true},
     {"beta", &LayerParameters::beta, true},
     {"gamma", &LayerParameters::gamma, true},
     {"running_mean", &LayerParameters::running_mean, false},
     {"running_var", &LayerParameters::running_var, false},
     {"weight", &LayerParameters::weight, true}}};

/// Handles to the tensors that a convolution has, in the order of `kLayerTensors`: (bias, weight)
/// or (β, γ, mean, variance, weight).
inline std::vector<at::Tensor> tensors(const LayerParameters& layer) {
  std::vector<at::Tensor> found;
  for (const auto& [name, member, is_trained] : kLayerTensors)
    if ((layer.*member).defined()) found.push_back(layer.*member);
  return found;
}

/// The slices of a convolution's tensors that a compaction keeps; a tensor that it keeps whole is
/// handed on, not copied.
inline LayerParameters sliced(const LayerParameters& layer, const Compaction::Slices& kept) {
  const auto take = [](const at::Tensor& from, int dimension,
                       const std::vector<std::int64_t>& indices) {
    if (static_cast<std::int64_t>(indices.size()) == from.size(dimension)) return from;
    return from.index_select(dimension, at::tensor(indices, from.options().dtype(at::kLong)));
  };
  LayerParameters result;
  for (const auto& [name, member, is_trained] : kLayerTensors)
    if ((layer.*member).defined()) result.*member = take(layer.*member, 0, kept.filters);
  result.weight = take(result.weight, 1, kept.inputs);
  return result;
}

}  // namespace serpette
