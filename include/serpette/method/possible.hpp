#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string_view>

#include "serpette/core/contract.hpp"
#include "serpette/core/ratio.hpp"
#include "serpette/graph/graph.hpp"
#include "serpette/scenario/scenario.hpp"

namespace serpette {

/// Refuses, before any work, what a scenario cannot do to a network: a granularity that does not
/// fit its layers, layers to spare that it does not have, and ratios beyond what the granularity
/// lets go (2:4 ends at 50 %).
/// @throws Error  that says what would do.
template <AnyScenario S>
void require_possible(const S& scenario, const Graph& graph, std::span<const Ratio> ratios,
                      std::string_view place = "--ratios") {
  check_settings(scenario);
  const auto sets = scenario.granularity.pieces(graph);
  const auto allocation = allocation_of(scenario);
  if constexpr (requires { allocation.limits.applied(graph, sets); })
    (void)allocation.limits.applied(graph, sets);  // refuses names of layers that are not there
  std::int64_t all = 0, reachable = 0, piece = 0;
  for (const PieceSet& set : sets) {
    if (set.removable == 0) continue;
    all += set.weights;
    reachable += set.removable * set.size;
    piece += set.size;
  }
  require(all > 0, GranularityOf<S>::name,
          "should find something to prune in the network, got {} "
          "layers that all stay whole",
          sets.size());
  for (const Ratio ratio : ratios)
    require(ratio.count(all) <= reachable + piece, place,
            "should be at most {:.4g} %, all that {} lets go of this network; got {}",
            100.0 * static_cast<double>(reachable) / static_cast<double>(all),
            GranularityOf<S>::name, ratio.str());
}

}  // namespace serpette
