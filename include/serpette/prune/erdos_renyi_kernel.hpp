#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

#include "serpette/concepts/allocation.hpp"
#include "serpette/core/settings.hpp"
#include "serpette/prune/limits.hpp"
#include "serpette/prune/lowest.hpp"

namespace serpette {

/// Erdős–Rényi-kernel: a layer keeps the share
///
///   density = min(1, ε · (C_in + C_out + k_h + k_w) / (C_in · C_out · k_h · k_w)),
///
/// the same ε for all, found so that the ratio of weights is met, exact to one piece: small layers
/// stay dense, large ones carry the pruning. Looks at shapes alone, not at scores; the layers of a
/// coupled group count as one, by the sums of both products. Source: Evci et al. 2020 (RigL),
/// sec. 3; Mocanu et al. 2018.
struct ErdosRenyiKernel {
  static constexpr std::string_view name = "Erdos-Renyi kernel";

  Limits limits{};  ///< What is left alone.

  static constexpr auto describe() { return settings(part<&ErdosRenyiKernel::limits>("")); }

  [[nodiscard]] std::vector<std::int64_t> removed(const Graph& graph,
                                                  const std::vector<PieceSet>& sets,
                                                  const Importance&, Ratio ratio) const {
    const auto limited = limits.applied(graph, sets);
    std::vector<double> density;  // at ε = 1
    double lowest = std::numeric_limits<double>::infinity();
    for (const PieceSet& set : limited) {
      density.push_back(density_of(graph, set));
      lowest = std::min(lowest, density.back());
    }
    constexpr std::int64_t kLevels = std::int64_t{1} << 40;  // ε falls from 1 / lowest to 0
    const auto counts = [&](std::int64_t level) {
      const double epsilon =
          (1 - static_cast<double>(level) / static_cast<double>(kLevels)) / lowest;
      std::vector<std::int64_t> gone;
      for (std::size_t i = 0; i < limited.size(); ++i) {
        const double share = level == 0 ? 0 : std::max(0.0, 1 - epsilon * density[i]);
        const auto pieces =
            static_cast<double>(limited[i].weights) * share / static_cast<double>(limited[i].size);
        gone.push_back(std::min(static_cast<std::int64_t>(pieces), limited[i].removable));
      }
      return gone;
    };
    return farthest_within(budget_of(ratio, limited), kLevels, counts,
                           [&](const auto& gone) { return weights_of(limited, gone); });
  }

 private:
  static double density_of(const Graph& graph, const PieceSet& set) {
    const auto convolutions = graph.convolutions();
    double sides = 0, weights = 0;
    for (const int position : set.convolutions) {
      const auto [out, in, height, width] =
          weight_shape(graph, convolutions[static_cast<std::size_t>(position)]);
      sides += static_cast<double>(out + in + height + width);
      weights += static_cast<double>(out * in * height * width);
    }
    return sides / weights;
  }
};
static_assert(Allocation<ErdosRenyiKernel>);

}  // namespace serpette
