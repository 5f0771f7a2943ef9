#pragma once

#include <ATen/ops/empty_like.h>

#include <cstdint>
#include <string_view>
#include <vector>

#include "serpette/concepts/allocation.hpp"
#include "serpette/core/settings.hpp"
#include "serpette/prune/limits.hpp"
#include "serpette/prune/lowest.hpp"

namespace serpette {

/// LAMP: one threshold for the whole network, on
///
///   value(u) = s_u² / Σ_{v of the set, not less important than u} s_v²,
///
/// what pruning u does to a layer that has already lost everything below it. The most important
/// piece of each set has value 1, so no layer vanishes. A ratio is one of the weights that may go,
/// met exact to one piece. Source: Lee et al. 2021, eq. 4.
struct Lamp {
  static constexpr std::string_view name = "LAMP";

  Limits limits{};  ///< What is left alone.

  static constexpr auto describe() { return settings(part<&Lamp::limits>("")); }

  [[nodiscard]] std::vector<std::int64_t> removed(const Graph& graph,
                                                  const std::vector<PieceSet>& sets,
                                                  const Importance& importance, Ratio ratio) const {
    const auto limited = limits.applied(graph, sets);
    std::vector<at::Tensor> values;
    for (const auto& of_set : importance) {
      const auto sorted = ascending(of_set);
      values.push_back(at::empty_like(sorted));
      const auto* score = sorted.const_data_ptr<float>();
      auto* value = values.back().mutable_data_ptr<float>();
      double rest = 0;  // Σ s_v² of what is not less important
      for (auto k = sorted.numel(); k-- > 0;) {
        const double square = static_cast<double>(score[k]) * score[k];
        rest += square;
        value[k] = rest > 0 ? static_cast<float>(square / rest) : 0;
      }
    }
    return lowest_of_all(limited, values, budget_of(ratio, limited));
  }
};
static_assert(Allocation<Lamp>);

}  // namespace serpette
