#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "serpette/concepts/allocation.hpp"
#include "serpette/concepts/prune_granularity.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/core/ratio.hpp"
#include "serpette/graph/graph.hpp"

namespace serpette {

/// Refuses, before any work, what cannot be pruned of a network: a granularity that does not fit
/// its layers, layers to spare or to time that it does not have, and ratios beyond what granularity
/// and allocation let go (2:4 ends at 50 %, a half that has to stay everywhere likewise; under
/// `Filter` half of the filters are more, since what reads them goes too). Either may have a word
/// in it: `void require_fits(graph) const`, which throws Error.
/// @param place   what errors about ratios call them.
/// @throws Error  that says what would do.
template <PruneGranularity G, Allocation A>
void require_possible(const Graph& graph, std::span<const Ratio> ratios, const G& granularity,
                      const A& allocation, std::string_view place = "--ratios") {
  if constexpr (requires { granularity.require_allocation(allocation); })
    granularity.require_allocation(allocation);
  if constexpr (requires { granularity.require_fits(graph); }) granularity.require_fits(graph);
  if constexpr (requires { allocation.require_fits(graph); }) allocation.require_fits(graph);
  const auto unlimited = granularity.pieces(graph);
  auto sets = unlimited;
  if constexpr (requires { allocation.limits.applied(graph, sets); })
    sets = allocation.limits.applied(graph, std::move(sets));
  std::int64_t all = 0, reachable = 0, pieces = 0;
  for (const PieceSet& set : sets) {
    if (set.removable == 0) continue;
    all += set.weights;
    reachable += set.removable * set.size;
    pieces += set.size;
  }
  require(
      all > 0, G::name,
      "should find something to prune in the network, got {} sets of pieces that all stay whole",
      sets.size());
  if constexpr (requires { granularity.whole(graph); })
    if (const auto whole = granularity.whole(graph)) {
      const auto cost = granularity.cost(graph);
      const auto farthest = [&](const std::vector<PieceSet>& of) {
        std::vector<std::int64_t> counts;
        for (const PieceSet& set : of) counts.push_back(set.removable);
        return cost(counts);
      };
      all = *whole;
      reachable = farthest(sets);
      // Where nothing is spared, a ratio is met as far as the network goes.
      pieces = reachable == farthest(unlimited) ? all : 0;
    }
  for (const Ratio ratio : ratios)
    require(ratio.count(all) <= reachable + pieces, place,
            "should be at most {:.4g} %, all that {} and what is to be spared let go of this "
            "network; got {}",
            100.0 * static_cast<double>(reachable) / static_cast<double>(all), G::name,
            ratio.str());
}

/// The layers of which a granularity lets nothing go, by name.
template <PruneGranularity G>
std::vector<std::string> left_whole(const Graph& graph, const G& granularity) {
  std::vector<std::string> names;
  for (const PieceSet& set : granularity.pieces(graph))
    if (set.removable == 0) names.push_back(set.name);
  return names;
}

}  // namespace serpette
