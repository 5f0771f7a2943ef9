#pragma once

#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "serpette/core/settings.hpp"
#include "serpette/graph/residual_blocks.hpp"
#include "serpette/prune/lowest.hpp"
#include "serpette/prune/mask.hpp"
#include "serpette/prune/per_layer.hpp"
#include "serpette/prune/reduce.hpp"

namespace serpette {

/// Whole residual blocks: the convolutions that a shortcut adds to what it skips go together with
/// it, and its readers read what it skipped (graph/residual_blocks.hpp). Importance = mean |score|
/// of the block's weights; blocks of the whole network are ranked among themselves, so scores have
/// to tell layers apart: those divided by their filter's or layer's mean do not.
///
/// A ratio is one of the weights of all blocks that may go, met exact to one block; masks nest.
/// Layers outside such blocks are never chosen. Fewer layers are faster anywhere, in any engine.
/// Source: Veit et al. 2016 for networks that bear it; docs/policies/prune_granularity.md.
struct Layers {
  static constexpr std::string_view name = "Layers";
  static constexpr bool removes_filters = true;
  static constexpr bool removes_layers = true;

  Reducer reduce = Reducer::kMean;  ///< How the scores of a block become its importance.

  static constexpr auto describe() {
    return settings(setting<&Layers::reduce>("How the scores of a block become its importance"));
  }

  /// Blocks by their mean score.
  [[nodiscard]] constexpr Levelled ranks() const {
    return reduce == Reducer::kMean ? Levelled::kLayers : Levelled::kNothing;
  }

  /// A set of one piece for every block.
  [[nodiscard]] std::vector<PieceSet> pieces(const Graph& graph) const {
    std::vector<PieceSet> sets;
    for (const ResidualBlock& block : residual_blocks(graph)) {
      PieceSet set{.name = graph[block.shortcut].name,
                   .convolutions = positions(graph, block),
                   .pieces = 1,
                   .removable = 1};
      for (const int index : block.layers) {
        const auto shape = weight_shape(graph, index);
        set.weights += shape[0] * shape[1] * shape[2] * shape[3];
      }
      set.size = set.weights;
      sets.push_back(std::move(set));
    }
    return sets;
  }

  /// @throws Error  for a score that is not finite, naming the layer.
  [[nodiscard]] Importance importance(const Graph& graph, const ScoreMap& scores) const {
    const auto convolutions = graph.convolutions();
    for (std::size_t i = 0; i < scores.size(); ++i)
      require(scores[i].isfinite().all().item<bool>(), graph[convolutions[i]].name,
              "every score should be finite, got others");
    Importance importance;
    for (const PieceSet& set : pieces(graph)) {
      std::vector<at::Tensor> flat;
      for (const int i : set.convolutions)
        flat.push_back(scores[static_cast<std::size_t>(i)].flatten());
      const auto all = at::cat(flat);
      const double value = serpette::reduce(reduce, all.const_data_ptr<float>(), all.numel());
      importance.push_back(at::full({1}, value, at::kFloat));
    }
    return importance;
  }

  /// `LayerMask::filter` is defined everywhere; none of a dropped layer's is kept.
  [[nodiscard]] Mask mask(const Graph& graph, const Choice& choice) const {
    Mask mask;
    for (const int index : graph.convolutions()) {
      const auto shape = weight_shape(graph, index);
      mask.push_back({at::full(shape, true, at::kBool), at::full({shape[0]}, true, at::kBool)});
    }
    const auto sets = pieces(graph);
    for (std::size_t s = 0; s < sets.size(); ++s)
      if (!choice[s].const_data_ptr<bool>()[0])
        for (const int i : sets[s].convolutions) {
          mask[static_cast<std::size_t>(i)].weight.zero_();
          mask[static_cast<std::size_t>(i)].filter.zero_();
        }
    return mask;
  }

  /// @throws Error  for one that was chosen while the program runs and is not `PerLayer`; another
  /// type does not compile.
  template <Allocation A>
  void require_allocation(const A& allocation) const {
    if constexpr (requires { allocation.is_per_layer(); })
      require(allocation.is_per_layer(), name,
              "ranks the blocks of the whole network by itself and should come with --allocation "
              "per-layer, whose limits it keeps, got {}",
              typed_text(allocation.kind));
    else
      static_assert(std::same_as<A, PerLayer>,
                    "Layers ranks the blocks of the whole network by itself and should come with "
                    "PerLayer, whose limits it keeps; see docs/policies/prune_granularity.md");
  }

  /// Which blocks go is one question for the whole network; of the allocation only what it spares.
  template <Allocation A>
  [[nodiscard]] Mask composed(const Graph& graph, const ScoreMap& scores, Ratio ratio,
                              const A& allocation) const {
    require_allocation(allocation);
    const auto sets = allocation.limits.applied(graph, pieces(graph));
    const auto values = importance(graph, checked_scores(graph, scores));
    require_ranking(sets, values, scores);
    return beside(scores, mask(graph, keep_most_important(
                                          sets, values,
                                          lowest_of_all(sets, values, budget_of(ratio, sets)))));
  }

 private:
  static std::vector<int> positions(const Graph& graph, const ResidualBlock& block) {
    const auto convolutions = graph.convolutions();
    std::vector<int> found;
    for (const int index : block.layers)
      found.push_back(
          static_cast<int>(std::ranges::lower_bound(convolutions, index) - convolutions.begin()));
    return found;
  }

  /// @throws Error  if all blocks are worth the same although their weights are not.
  static void require_ranking(const std::vector<PieceSet>& sets, const Importance& values,
                              const ScoreMap& scores) {
    double low = 0, high = 0;
    bool differ = false;
    for (std::size_t s = 0; s < sets.size(); ++s) {
      const double value = values[s].item<float>();
      low = s == 0 ? value : std::min(low, value);
      high = std::max(high, value);
      for (const int i : sets[s].convolutions) {
        const auto magnitudes = scores[static_cast<std::size_t>(i)].abs();
        differ =
            differ || magnitudes.max().item<double>() > 1.001 * magnitudes.mean().item<double>();
      }
    }
    require(sets.size() < 2 || !differ || high > 1.0001 * low, name,
            "scores should tell blocks apart, got the same mean |score| for all {}, as after a "
            "normalisation by filter or layer; take scores that are not normalised",
            sets.size());
  }
};
static_assert(PruneGranularity<Layers>);

}  // namespace serpette
