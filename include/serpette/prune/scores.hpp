#pragma once

/// @file
/// What granularities share, ours and yours: scores that have been looked at, and sets of pieces
/// layer by layer.

#include <ATen/Parallel.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "serpette/concepts/prune_granularity.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/core/one_copy.hpp"
#include "serpette/graph/graph.hpp"
#include "serpette/graph/mask.hpp"
#include "serpette/torch/tensor.hpp"

namespace serpette {

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
    checked.push_back(scores[i].detach().to(at::kFloat).contiguous());
  }
  return in_one_copy(std::move(checked), at::kCPU);
}

/// One set of pieces per convolution, where every layer is ranked by itself and keeps at least one
/// piece.
/// @param pieces_of  number of pieces of a weight of shape [C_out, C_in / groups, k_h, k_w].
template <class PiecesOf>
std::vector<PieceSet> sets_by_layer(const Graph& graph, const PiecesOf& pieces_of) {
  std::vector<PieceSet> sets;
  for (const int index : graph.convolutions()) {
    const auto shape = weight_shape(graph, index);
    const std::int64_t weights = shape[0] * shape[1] * shape[2] * shape[3];
    const std::int64_t pieces = pieces_of(shape);
    sets.push_back({.name = graph[index].name,
                    .convolutions = {static_cast<int>(sets.size())},
                    .pieces = pieces,
                    .removable = pieces - 1,
                    .size = weights / pieces,
                    .weights = weights});
  }
  return sets;
}

/// Calls work(i) for i in [0, count), the next free thread of LibTorch's taking the next one
/// (layers differ thousandfold in size); an Error in one of them comes out here.
template <class Work>
void for_each_layer(std::size_t count, const Work& work) {
  std::atomic<std::size_t> next{0};
  at::parallel_for(0, at::get_num_threads(), 1, [&](std::int64_t, std::int64_t) {
    for (std::size_t i = next++; i < count; i = next++) work(i);
  });
}

}  // namespace serpette
