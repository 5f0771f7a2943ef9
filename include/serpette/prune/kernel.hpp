#pragma once

#include <ATen/ops/empty.h>

#include <cstdint>
#include <string_view>
#include <vector>

#include "serpette/prune/reduce.hpp"
#include "serpette/prune/scores.hpp"

namespace serpette {

/// k×k kernels, the slices weight[f, c, :, :]: importance = mean |score| of the slice; with
/// `PerLayer` of each convolution's C_out · C_in / groups kernels the floor(ratio · n) least
/// important go, heads included.
///
/// In a 1×1 convolution a kernel is a weight. Ties, nesting, shape and errors as for `Weight`.
/// Source: the paper's section III-C, taken literally; docs/policies/prune_granularity.md.
struct Kernel {
  static constexpr std::string_view name = "Kernel";

  Reducer reduce = Reducer::kMean;  ///< How the scores of a piece become its importance.

  static constexpr auto describe() {
    return settings(setting<&Kernel::reduce>("How the scores of a piece become its importance"));
  }

  [[nodiscard]] std::vector<PieceSet> pieces(const Graph& graph) const {
    return sets_by_layer(graph, [](const auto& shape) { return shape[0] * shape[1]; });
  }

  [[nodiscard]] Importance importance(const Graph&, const ScoreMap& scores) const {
    Importance importance(scores.size());
    for_each_layer(scores.size(), [&](std::size_t i) {
      const auto kernels = scores[i].size(0) * scores[i].size(1);
      const auto area = scores[i].size(2) * scores[i].size(3);
      const auto* score = scores[i].const_data_ptr<float>();
      importance[i] = at::empty({kernels}, at::kFloat);
      auto* of = importance[i].mutable_data_ptr<float>();
      for (std::int64_t k = 0; k < kernels; ++k)
        of[k] = static_cast<float>(serpette::reduce(reduce, score + k * area, area));
    });
    return importance;
  }

  [[nodiscard]] Mask mask(const Graph& graph, const Choice& choice) const {
    const auto convolutions = graph.convolutions();
    Mask mask(choice.size());
    for_each_layer(choice.size(), [&](std::size_t i) {
      const auto shape = weight_shape(graph, convolutions[i]);
      mask[i].weight = choice[i].view({shape[0], shape[1], 1, 1}).expand(shape).contiguous();
    });
    return mask;
  }
};
static_assert(PruneGranularity<Kernel>);

}  // namespace serpette
