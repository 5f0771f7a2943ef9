#pragma once

#include <serpette/prune/scores.hpp>

/// What a filter bank reads: the slices weight[:, c, :, :] of one input channel c; importance =
/// mean |score|.
struct InputChannel {
  static constexpr std::string_view name = "Input channel";

  std::vector<serpette::PieceSet> pieces(const serpette::Graph& graph) const {
    return serpette::sets_by_layer(graph, [](const auto& shape) { return shape[1]; });
  }

  serpette::Importance importance(const serpette::Graph&, const serpette::ScoreMap& scores) const {
    serpette::Importance channels;
    for (const auto& score : scores) channels.push_back(score.abs().mean({0, 2, 3}));
    return channels;
  }

  serpette::Mask mask(const serpette::Graph& graph, const serpette::Choice& choice) const {
    serpette::Mask mask;
    for (const int index : graph.convolutions()) {
      const auto channels = choice[mask.size()].view({1, -1, 1, 1});
      mask.push_back({channels.expand(serpette::weight_shape(graph, index)).contiguous(), {}});
    }
    return mask;
  }
};
static_assert(serpette::PruneGranularity<InputChannel>);
