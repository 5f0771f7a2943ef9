#pragma once

#include <ATen/ops/empty.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "serpette/concepts/allocation.hpp"
#include "serpette/concepts/prune_granularity.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/core/one_copy.hpp"
#include "serpette/core/selection.hpp"
#include "serpette/prune/per_layer.hpp"
#include "serpette/prune/scores.hpp"

namespace serpette {

/// The choice in which of every set the `removed` least important pieces go, among equals those of
/// lower index.
/// @throws Error  for an importance that is not finite, by the set's name.
inline Choice keep_most_important(const std::vector<PieceSet>& sets, const Importance& importance,
                                  const std::vector<std::int64_t>& removed) {
  Choice choice(sets.size());
  for_each_layer(sets.size(), [&](std::size_t i) {
    choice[i] = at::empty({sets[i].pieces}, at::kBool);
    const auto n = static_cast<std::size_t>(sets[i].pieces);
    keep_highest({importance[i].const_data_ptr<float>(), n}, removed[i],
                 {choice[i].mutable_data_ptr<bool>(), n}, sets[i].name);
  });
  return choice;
}

/// How many pieces of each set go.
/// @param sets  the granularity's.
template <PruneGranularity Granularity, Allocation A>
[[nodiscard]] std::vector<std::int64_t> removed_pieces(const Graph& graph,
                                                       const std::vector<PieceSet>& sets,
                                                       const Importance& importance, Ratio ratio,
                                                       const Granularity& granularity,
                                                       const A& allocation) {
  const auto allocate = [&](Ratio share) {
    return allocation.removed(graph, sets, importance, share);
  };
  if constexpr (requires { granularity.counts(graph, sets, ratio, allocate); })
    return granularity.counts(graph, sets, ratio, allocate);
  else
    return allocate(ratio);
}

/// A mask that was made on the CPU, where the scores of its layers are.
[[nodiscard]] inline Mask beside(const ScoreMap& scores, Mask mask) {
  std::vector<at::Tensor*> parts;
  std::vector<at::Tensor> here;
  for (auto& layer : mask)
    for (auto* part : {&layer.weight, &layer.filter, &layer.input})
      if (part->defined()) {
        parts.push_back(part);
        here.push_back(*part);
      }
  if (parts.empty()) return mask;
  auto there = in_one_copy(std::move(here), scores.front().device());
  for (std::size_t i = 0; i < parts.size(); ++i) *parts[i] = std::move(there[i]);
  return mask;
}

/// The mask of a network: `granularity` says what a piece is and what it is worth, `allocation` how
/// many go where; of each set of pieces the least important ones go, the lower index first among
/// equals.
///
/// At ratio 0 nothing goes, and masks of one score set nest as the ratio grows.
/// @param scores  per convolution, like its weight, finite, all on one device; |score| ranks.
/// @return        on the scores' device.
/// @throws Error  for a wrong shape or a score that is not finite, naming the layer; and before any
///                work if granularity or allocation do not fit the network.
template <PruneGranularity Granularity, Allocation A = PerLayer>
[[nodiscard]] Mask make_mask(const Graph& graph, const ScoreMap& scores, Ratio ratio,
                             const Granularity& granularity, const A& allocation = {}) {
  if constexpr (requires { granularity.composed(graph, scores, ratio, allocation); }) {
    return granularity.composed(graph, scores, ratio, allocation);
  } else {
    const auto sets = granularity.pieces(graph);
    const auto importance = granularity.importance(graph, checked_scores(graph, scores));
    const auto removed = removed_pieces(graph, sets, importance, ratio, granularity, allocation);
    return beside(scores, granularity.mask(graph, keep_most_important(sets, importance, removed)));
  }
}

/// How much of what a granularity may prune is kept. Parameters and MACs of a smaller network come
/// from its graph (graph/footprint.hpp).
struct Kept {
  std::int64_t weights = 0;  ///< Kept weights of the convolutions the policy may prune.
  std::int64_t filters = 0;  ///< Kept filters of those convolutions; a filter with one kept weight
                             ///< counts as kept.
};

/// Counts what a mask keeps of the convolutions that the granularity may prune: `Filter` exempts
/// heads.
/// @throws Error  if the mask does not fit the graph.
template <PruneGranularity Granularity>
[[nodiscard]] Kept count_kept(const Graph& graph, const Mask& mask,
                              const Granularity& granularity) {
  const auto convolutions = graph.convolutions();
  require(mask.size() == convolutions.size(), "mask",
          "should be {} layers, one per convolution, got {}", convolutions.size(), mask.size());
  std::vector<bool> counts(mask.size(), false);
  for (const PieceSet& set : granularity.pieces(graph))
    for (const int convolution : set.convolutions)
      counts[static_cast<std::size_t>(convolution)] = true;
  Kept total;
  for (std::size_t i = 0; i < mask.size(); ++i) {
    const auto& weight = mask[i].weight;
    const auto expected = weight_shape(graph, convolutions[i]);
    require(weight.defined() && weight.sizes() == at::IntArrayRef(expected), "mask",
            "shape should be [{}] as layer \"{}\", got [{}]", fmt::join(expected, ", "),
            graph[convolutions[i]].name,
            weight.defined() ? fmt::format("{}", fmt::join(weight.sizes(), ", ")) : "undefined");
    if (!counts[i]) continue;
    total.weights += weight.count_nonzero().template item<std::int64_t>();
    total.filters += weight.flatten(1).any(1).count_nonzero().template item<std::int64_t>();
  }
  return total;
}

}  // namespace serpette
