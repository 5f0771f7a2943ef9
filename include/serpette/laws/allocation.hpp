#pragma once

#include "serpette/laws/prune_granularity.hpp"

namespace serpette::laws {

/// What every Allocation holds to, on whatever sets of pieces. Run it on one of your own:
/// `laws::allocation(Mine{}, graph, serpette::Weight{});`
template <Allocation A, PruneGranularity G>
void allocation(const A& policy, const Graph& graph, const G& granularity) {
  INFO("allocation: " << A::name << ", granularity: " << G::name);
  const auto sets = granularity.pieces(graph);
  const auto importance =
      granularity.importance(graph, checked_scores(graph, random_scores(graph, Seed(13))));
  std::int64_t all = 0;
  for (const auto& set : sets) all += set.weights;

  std::vector<std::int64_t> fewer(sets.size(), 0);
  for (const int percent : {0, 1, 25, 50, 65, 75, 85, 90, 95, 99}) {
    INFO("ratio: " << percent);
    const auto ratio = Ratio::percent(percent);
    const auto removed = policy.removed(graph, sets, importance, ratio);
    REQUIRE(removed.size() == sets.size());
    std::int64_t weights = 0;
    for (std::size_t i = 0; i < sets.size(); ++i) {
      INFO(sets[i].name);
      CHECK(removed[i] >= fewer[i]);  // so masks nest
      CHECK(removed[i] <= sets[i].removable);
      if (percent == 0) CHECK(removed[i] == 0);
      weights += removed[i] * sets[i].size;
    }
    CHECK(weights <= ratio.count(all));
    CHECK(policy.removed(graph, sets, importance, ratio) == removed);
    fewer = removed;
  }
}

}  // namespace serpette::laws
