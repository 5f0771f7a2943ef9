#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "serpette/concepts/allocation.hpp"
#include "serpette/core/settings.hpp"
#include "serpette/prune/limits.hpp"
#include "serpette/prune/lowest.hpp"
#include "serpette/torch/operators.hpp"

namespace serpette {

/// How importances of different layers are made comparable.
enum class Comparable {
  kRaw,   ///< As they are: scores that are changes of one loss (SNIP, Taylor).
  kMean,  ///< Divided by the set's mean.
  kRms,   ///< Divided by the set's root mean square, as for weights of one norm.
};

constexpr auto words(Comparable) {
  return std::array<Word<Comparable>, 3>{
      {{"raw", Comparable::kRaw}, {"mean", Comparable::kMean}, {"rms", Comparable::kRms}}};
}

/// The least important pieces of the whole network, wherever they are, until the share of weights
/// is gone, exact to one piece: layers that matter less lose more. A set keeps what it must keep. A
/// ratio is one of the weights that may go. Source: See et al. 2016, class-blind pruning (Han et
/// al. 2015 have a threshold a layer); docs/policies/prune_granularity.md.
struct Global {
  static constexpr std::string_view name = "Global";

  Comparable compared = Comparable::kMean;  ///< How layers are made comparable.
  Limits limits{};                          ///< What is left alone.

  static constexpr auto describe() {
    return settings(setting<&Global::compared>("How layers are made comparable"),
                    part<&Global::limits>(""));
  }

  [[nodiscard]] std::vector<std::int64_t> removed(const Graph& graph,
                                                  const std::vector<PieceSet>& sets,
                                                  const Importance& importance, Ratio ratio) const {
    const auto limited = limits.applied(graph, sets);
    std::vector<at::Tensor> values;
    for (const auto& of_set : importance) {
      const auto sorted = ascending(of_set);
      const auto by = compared == Comparable::kMean  ? sorted.mean()
                      : compared == Comparable::kRms ? sorted.square().mean().sqrt()
                                                     : sorted.new_ones({});
      values.push_back(sorted / by.masked_fill(by == 0, 1));
    }
    return lowest_of_all(limited, values, budget_of(ratio, limited));
  }
};
static_assert(Allocation<Global>);

}  // namespace serpette
