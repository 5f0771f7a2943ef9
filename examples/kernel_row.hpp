#pragma once

#include <serpette/prune/scores.hpp>

// [granularity]
/// The rows of k×k kernels, the slices weight[f, c, i, :]: importance = mean |score|.
struct KernelRow {
  static constexpr std::string_view name = "Kernel row";

  std::vector<serpette::PieceSet> pieces(const serpette::Graph& graph) const {
    return serpette::sets_by_layer(
        graph, [](const auto& shape) { return shape[0] * shape[1] * shape[2]; });
  }

  serpette::Importance importance(const serpette::Graph&, const serpette::ScoreMap& scores) const {
    serpette::Importance rows;
    for (const auto& score : scores) rows.push_back(score.abs().mean(3).flatten());
    return rows;
  }

  serpette::Mask mask(const serpette::Graph& graph, const serpette::Choice& choice) const {
    serpette::Mask mask;
    for (const int index : graph.convolutions()) {
      const auto shape = serpette::weight_shape(graph, index);
      const auto rows = choice[mask.size()].view({shape[0], shape[1], shape[2], 1});
      mask.push_back({rows.expand(shape).contiguous(), {}});
    }
    return mask;
  }
};
static_assert(serpette::PruneGranularity<KernelRow>);
// [granularity]
