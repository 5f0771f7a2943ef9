#pragma once

/// @file
/// What the granularities share: scores that have been looked at, and counts.

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <fmt/ranges.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "serpette/concepts/prune_granularity.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/graph/graph.hpp"
#include "serpette/graph/mask.hpp"
#include "serpette/torch/tensor.hpp"

namespace serpette::detail {

/// The scores as contiguous float32 on the CPU, which is how they are compared.
/// @throws Error  naming layer, expected and found shape.
inline ScoreMap checked_scores(const Graph& graph, const ScoreMap& scores) {
  const auto convolutions = graph.convolutions();
  require(scores.size() == convolutions.size(), "scores",
          "should be {} tensors, one per convolution, got {}", convolutions.size(), scores.size());
  ScoreMap checked;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const auto& name = graph[convolutions[i]].name;
    require(scores[i].defined(), "scores",
            "should be defined for layer \"{}\", got an undefined tensor", name);
    const auto expected = weight_shape(graph, convolutions[i]);
    require(scores[i].sizes() == at::IntArrayRef(expected), "scores",
            "shape should be [{}] as layer \"{}\", got [{}]", fmt::join(expected, ", "), name,
            fmt::join(scores[i].sizes(), ", "));
    checked.push_back(scores[i].detach().to(at::kCPU, at::kFloat).contiguous());
  }
  return checked;
}

/// Checks that the mask fits the graph.
inline void require_mask(const Graph& graph, const Mask& mask) {
  const auto convolutions = graph.convolutions();
  require(mask.size() == convolutions.size(), "mask",
          "should be {} layers, one per convolution, got {}", convolutions.size(), mask.size());
  for (std::size_t i = 0; i < mask.size(); ++i) {
    const auto expected = weight_shape(graph, convolutions[i]);
    require(mask[i].weight.defined() && mask[i].weight.sizes() == at::IntArrayRef(expected), "mask",
            "shape should be [{}] as layer \"{}\", got [{}]", fmt::join(expected, ", "),
            graph[convolutions[i]].name,
            mask[i].weight.defined() ? fmt::format("{}", fmt::join(mask[i].weight.sizes(), ", "))
                                     : "undefined");
  }
}

/// Kept weights and filters of one layer; a filter with one kept weight counts as kept.
inline Kept kept(const LayerMask& layer) {
  return {layer.weight.count_nonzero().item<std::int64_t>(),
          layer.weight.flatten(1).any(1).count_nonzero().item<std::int64_t>()};
}

/// The same of all convolutions.
inline Kept kept(const Graph& graph, const Mask& mask) {
  require_mask(graph, mask);
  Kept total;
  for (const auto& layer : mask) {
    const Kept one = kept(layer);
    total.weights += one.weights;
    total.filters += one.filters;
  }
  return total;
}

/// Calls make(i) for every convolution, the next free thread of LibTorch's taking the next one
/// (layers differ thousandfold in size); an Error in one of them comes out here.
template <class Make>
Mask make_layers(std::size_t count, const Make& make) {
  Mask mask(count);
  std::atomic<std::size_t> next{0};
  at::parallel_for(0, at::get_num_threads(), 1, [&](std::int64_t, std::int64_t) {
    for (std::size_t i = next++; i < count; i = next++) mask[i] = make(i);
  });
  return mask;
}

/// The mask where every convolution is ranked by itself: `choose(scores, name, kept)` reads its
/// scores [C_out, C_in / groups, k_h, k_w] and says in `kept`, in their order, which weights stay.
template <class Choose>
Mask mask_layers(const Graph& graph, const ScoreMap& scores, const Choose& choose) {
  const auto checked = checked_scores(graph, scores);
  const auto convolutions = graph.convolutions();
  return make_layers(checked.size(), [&](std::size_t i) {
    auto kept = at::empty(checked[i].sizes(), at::kBool);
    const std::span<bool> flags(kept.mutable_data_ptr<bool>(),
                                static_cast<std::size_t>(kept.numel()));
    choose(checked[i], graph[convolutions[i]].name, flags);
    return LayerMask{kept.to(scores[i].device()), {}};
  });
}

}  // namespace serpette::detail
