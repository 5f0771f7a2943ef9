#pragma once

#include <span>
#include <string>
#include <string_view>

#include "serpette/core/selection.hpp"
#include "serpette/prune/scores.hpp"

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
    const auto choose = [&](const at::Tensor& score, const std::string& layer,
                            std::span<bool> kept) {
      keep_highest({score.const_data_ptr<float>(), kept.size()}, ratio.count(score.numel()), kept,
                   layer);
    };
    return detail::mask_layers(graph, scores, choose);
  }

  [[nodiscard]] Kept kept(const Graph& graph, const Mask& mask) const {
    return detail::kept(graph, mask);
  }
};
static_assert(PruneGranularity<Weight>);

}  // namespace serpette
