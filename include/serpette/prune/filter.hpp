#pragma once

#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string_view>
#include <vector>

#include "serpette/graph/channels.hpp"
#include "serpette/graph/compaction.hpp"
#include "serpette/prune/scores.hpp"

namespace serpette {

/// Whole filters, with all filters they are coupled to through shortcuts (graph/channels.hpp).
///
///   importance(channel) = mean over its filters f of  mean|score of f| / mean|score of f's layer|
///
/// so that layers of different scale count alike. Of each coupled group's n channels the
/// floor(ratio · n) least important go, at most n − 1; head outputs stay. Gone with a filter are
/// its γ, β and bias, and the weights that read it: masked and compacted network give the same
/// outputs. Ties and nesting as for `Weight`. Source: the paper's "structured pruning";
/// docs/policies/prune_granularity.md.
struct Filter {
  static constexpr std::string_view name = "Structured";
  static constexpr bool removes_filters = true;

  /// @param scores  per convolution, like its weight, finite, any device.
  /// @return        masks on the scores' devices, `LayerMask::filter` defined everywhere.
  /// @throws Error  for a wrong shape or a score that is not finite, naming the layer.
  [[nodiscard]] Mask mask(const Graph& graph, const ScoreMap& scores, Ratio ratio) const {
    const auto checked = detail::checked_scores(graph, scores);
    const auto convolutions = graph.convolutions();
    const auto importance = filter_importance(graph, checked);

    std::vector<std::vector<bool>> kept;
    for (const int index : convolutions)
      kept.emplace_back(static_cast<std::size_t>(graph.convolution(index).filters), true);
    for (const ChannelGroup& group : coupled_channels(graph)) {
      if (!group.removable) continue;
      const auto n = group.channels.size();
      std::vector<double> value(n, 0);
      for (std::size_t c = 0; c < n; ++c) {
        for (const FilterId f : group.channels[c])
          value[c] += importance[static_cast<std::size_t>(f.convolution)]
                                [static_cast<std::size_t>(f.filter)];
        value[c] /= static_cast<double>(group.channels[c].size());
      }
      std::vector<std::size_t> order(n);
      std::iota(order.begin(), order.end(), std::size_t{0});
      std::stable_sort(order.begin(), order.end(),
                       [&](auto a, auto b) { return value[a] < value[b]; });
      const auto removed =
          std::min(static_cast<std::size_t>(ratio.count(static_cast<std::int64_t>(n))), n - 1);
      for (std::size_t c = 0; c < removed; ++c)
        for (const FilterId f : group.channels[order[c]])
          kept[static_cast<std::size_t>(f.convolution)][static_cast<std::size_t>(f.filter)] = false;
    }

    const auto plan = plan_compaction(graph, kept);
    return detail::make_layers(checked.size(), [&](std::size_t i) {
      const auto device = scores[i].device();
      auto filter = flags(checked[i].size(0), plan.convolutions[i].filters);
      const auto inputs = flags(checked[i].size(1), plan.convolutions[i].inputs);
      const auto weight = filter.view({-1, 1, 1, 1})
                              .logical_and(inputs.view({1, -1, 1, 1}))
                              .expand(checked[i].sizes())
                              .contiguous();
      return LayerMask{weight.to(device), filter.to(device)};
    });
  }

  /// Of the convolutions with a removable filter; heads do not count.
  [[nodiscard]] Kept kept(const Graph& graph, const Mask& mask) const {
    detail::require_mask(graph, mask);
    std::vector<bool> counts(mask.size(), false);
    for (const ChannelGroup& group : coupled_channels(graph))
      for (const int convolution : group.convolutions)
        if (group.removable) counts[static_cast<std::size_t>(convolution)] = true;
    Kept total;
    for (std::size_t i = 0; i < mask.size(); ++i) {
      if (!counts[i]) continue;
      const Kept one = detail::kept(mask[i]);
      total.weights += one.weights;
      total.filters += one.filters;
    }
    return total;
  }

 private:
  /// Per convolution and filter: mean |score| of the filter ÷ mean |score| of the layer; 0 in an
  /// all-zero layer.
  static std::vector<std::vector<double>> filter_importance(const Graph& graph,
                                                            const ScoreMap& scores) {
    std::vector<std::vector<double>> importance;
    const auto convolutions = graph.convolutions();
    for (std::size_t i = 0; i < scores.size(); ++i) {
      const auto filters = scores[i].size(0), area = scores[i].numel() / filters;
      const float* score = scores[i].const_data_ptr<float>();
      auto& mean = importance.emplace_back(static_cast<std::size_t>(filters), 0.0);
      for (auto& m : mean) {
        m = sum_of_magnitudes(score, area) / static_cast<double>(area);
        score += area;
      }
      const double layer =
          std::accumulate(mean.begin(), mean.end(), 0.0) / static_cast<double>(filters);
      require(std::isfinite(layer), graph[convolutions[i]].name,
              "every score should be finite, got a mean of {}", layer);
      if (layer > 0)
        for (auto& m : mean) m /= layer;
    }
    return importance;
  }

  /// In eight interleaved sums, which the compiler turns into vectors.
  static double sum_of_magnitudes(const float* values, std::int64_t count) {
    double sums[8] = {};
    std::int64_t j = 0;
    for (; j + 8 <= count; j += 8)
      for (int lane = 0; lane < 8; ++lane) sums[lane] += std::abs(values[j + lane]);
    for (; j < count; ++j) sums[0] += std::abs(values[j]);
    return std::accumulate(std::begin(sums), std::end(sums), 0.0);
  }

  static at::Tensor flags(std::int64_t length, const std::vector<std::int64_t>& set) {
    auto result = at::zeros({length}, at::kBool);
    for (const auto i : set) result.mutable_data_ptr<bool>()[i] = true;
    return result;
  }
};
static_assert(PruneGranularity<Filter>);

}  // namespace serpette
