#pragma once

#include <string_view>
#include <vector>

#include "serpette/prune/scores.hpp"

namespace serpette {

/// Single weights: importance = |score|; with `PerLayer` of each convolution's n weights the
/// floor(ratio · n) least important go, heads included.
///
/// Biases and batch norm are no weights and stay. Scores are compared as float32; among equal ones
/// the lower index goes first, so masks of one score set nest. The network keeps its shape: deploy/
/// makes it faster. Cost: linear, a few ns per weight. Source: the paper's "unstructured pruning";
/// docs/policies/prune_granularity.md.
struct Weight {
  static constexpr std::string_view name = "Unstructured";

  [[nodiscard]] std::vector<PieceSet> pieces(const Graph& graph) const {
    return sets_by_layer(
        graph, [](const auto& shape) { return shape[0] * shape[1] * shape[2] * shape[3]; });
  }

  [[nodiscard]] Importance importance(const Graph&, const ScoreMap& scores) const {
    Importance flat;
    for (const auto& score : scores) flat.push_back(score.flatten());  // no copy
    return flat;
  }

  [[nodiscard]] Mask mask(const Graph& graph, const Choice& choice) const {
    Mask mask;
    for (const int index : graph.convolutions())
      mask.push_back({choice[mask.size()].view(weight_shape(graph, index)), {}});
    return mask;
  }
};
static_assert(PruneGranularity<Weight>);

}  // namespace serpette
