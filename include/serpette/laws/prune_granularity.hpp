#pragma once

#include <ATen/ops/randn.h>
#include <range/v3/view/zip.hpp>

#include <limits>

#include "serpette/core/contract.hpp"
#include "serpette/core/seed.hpp"
#include "serpette/laws/catch.hpp"
#include "serpette/prune/mask.hpp"

namespace serpette::laws {

/// Random scores for every convolution of a graph.
inline ScoreMap random_scores(const Graph& graph, Seed seed) {
  Generator rng(seed);
  ScoreMap scores;
  for (const int i : graph.convolutions())
    scores.push_back(at::randn(weight_shape(graph, i), rng.torch()));
  return scores;
}

/// What every PruneGranularity holds to, under whatever allocation. Run it on one of your own:
/// `laws::prune_granularity(Mine{}, graph);`
template <PruneGranularity P, Allocation A = PerLayer>
void prune_granularity(const P& policy, const Graph& graph, const A& allocation = {}) {
  INFO("granularity: " << P::name << ", allocation: " << A::name);
  const auto convolutions = graph.convolutions();
  const auto scores = random_scores(graph, Seed(11));
  const auto make = [&](const ScoreMap& of, Ratio ratio) {
    return make_mask(graph, of, ratio, policy, allocation);
  };

  const auto sets = policy.pieces(graph);
  const auto importance = policy.importance(graph, checked_scores(graph, scores));
  REQUIRE(importance.size() == sets.size());
  for (auto&& [set, of_pieces] : ranges::views::zip(sets, importance)) {
    INFO("pieces of " << set.name);
    CHECK(set.removable >= 0);
    CHECK(set.removable <= set.pieces);
    CHECK(set.size >= 1);
    CHECK(std::is_sorted(set.convolutions.begin(), set.convolutions.end()));
    CHECK(of_pieces.scalar_type() == at::kFloat);
    CHECK(of_pieces.is_contiguous());
    CHECK(of_pieces.sizes() == at::IntArrayRef({set.pieces}));
  }

  Mask looser;
  std::int64_t weights = 0;
  for (const int percent : {0, 1, 25, 50, 65, 75, 85, 90, 95, 99}) {
    INFO("ratio: " << percent);
    const auto ratio = Ratio::percent(percent);
    const auto mask = make(scores, ratio);
    REQUIRE(mask.size() == convolutions.size());
    for (std::size_t i = 0; i < mask.size(); ++i) {
      INFO(graph[convolutions[i]].name);
      CHECK(mask[i].weight.scalar_type() == at::kBool);
      CHECK(mask[i].weight.sizes() == scores[i].sizes());
      if (percent == 0) CHECK(mask[i].weight.all().template item<bool>());  // nothing goes
      if (!looser.empty())
        CHECK_FALSE(mask[i]
                        .weight.logical_and(looser[i].weight.logical_not())
                        .any()
                        .template item<bool>());  // masks nest
      CHECK(mask[i].filter.defined() == removes_filters<P>);
      if constexpr (removes_filters<P>) {
        CHECK((removes_layers<P> || mask[i].filter.any().template item<bool>()));
        CHECK_FALSE(
            mask[i].weight.index({mask[i].filter.logical_not()}).any().template item<bool>());
      }
    }
    const Kept kept = count_kept(graph, mask, policy);
    CHECK((percent == 0 || kept.weights <= weights));
    weights = kept.weights;

    const auto again = make(scores, ratio);  // equal scores, equal masks; their sign does not count
    auto negated = scores;
    for (auto& s : negated) s = -s;
    const auto mirrored = make(negated, ratio);
    for (auto&& [first, second, mirror] : ranges::views::zip(mask, again, mirrored)) {
      CHECK(second.weight.equal(first.weight));
      CHECK(mirror.weight.equal(first.weight));
    }
    looser = mask;
  }

  auto broken = scores;
  broken.back() = broken.back().flatten();
  CHECK_THROWS_AS(make(broken, Ratio::percent(50)), Error);
  broken = scores;
  broken.pop_back();
  CHECK_THROWS_AS(make(broken, Ratio::percent(50)), Error);
  broken = scores;
  broken.front() = broken.front().clone();
  broken.front().view({-1})[0] = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_AS(make(broken, Ratio::percent(50)), Error);
}

}  // namespace serpette::laws
