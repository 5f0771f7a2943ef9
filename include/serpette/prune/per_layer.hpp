#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include "serpette/concepts/allocation.hpp"
#include "serpette/core/settings.hpp"
#include "serpette/prune/limits.hpp"

namespace serpette {

/// The same ratio everywhere: of each set's weights the share floor(ratio · n), in whole pieces and
/// at most what the set can lose. In integer arithmetic. Source: the paper, which prunes all layers
/// alike.
struct PerLayer {
  static constexpr std::string_view name = "Per layer";

  Limits limits{};  ///< What is left alone.

  static constexpr auto describe() { return settings(part<&PerLayer::limits>("")); }

  [[nodiscard]] std::vector<std::int64_t> removed(const Graph& graph,
                                                  const std::vector<PieceSet>& sets,
                                                  const Importance&, Ratio ratio) const {
    std::vector<std::int64_t> counts;
    for (const PieceSet& set : limits.applied(graph, sets))
      counts.push_back(std::min(ratio.count(set.weights) / set.size, set.removable));
    return counts;
  }
};
static_assert(Allocation<PerLayer>);

}  // namespace serpette
