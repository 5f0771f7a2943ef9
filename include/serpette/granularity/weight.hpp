#pragma once

#include <ATen/ops/empty.h>

#include <string_view>

#include "serpette/core/selection.hpp"
#include "serpette/granularity/scores.hpp"

namespace serpette {

/// Single weights: of each convolution's n weights the floor(ratio · n) of lowest |score| go, heads
/// included.
///
/// Biases and batch norm are no weights and stay. Scores are compared as float32; among equal ones
/// the lower index goes first, so masks of one score set nest. The network keeps its shape: deploy/
/// makes it faster. Source: the paper's "unstructured pruning"; docs/policies/prune_granularity.md.
struct Weight {
  static constexpr std::string_view name = "Unstructured";

  /// @param scores  per convolution, like its weight, finite, any device.
  /// @return        masks on the scores' devices; `LayerMask::filter` undefined.
  /// @throws Error  for a wrong shape or a score that is not finite, naming the layer.
  /// Cost           linear: a few ns per weight.
  [[nodiscard]] Mask mask(const Graph& graph, const ScoreMap& scores, Ratio ratio) const {
    const auto checked = detail::checked_scores(graph, scores);
    const auto convolutions = graph.convolutions();
    return detail::make_layers(checked.size(), [&](std::size_t i) {
      const auto n = checked[i].numel();
      auto kept = at::empty(checked[i].sizes(), at::kBool);
      keep_highest({checked[i].const_data_ptr<float>(), static_cast<std::size_t>(n)},
                   ratio.count(n), {kept.mutable_data_ptr<bool>(), static_cast<std::size_t>(n)},
                   graph[convolutions[i]].name);
      return LayerMask{kept.to(scores[i].device()), {}};
    });
  }

  [[nodiscard]] Kept kept(const Graph& graph, const Mask& mask) const {
    return detail::kept(graph, mask);
  }
};
static_assert(PruneGranularity<Weight>);

}  // namespace serpette
