#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "serpette/concepts/allocation.hpp"
#include "serpette/core/settings.hpp"
#include "serpette/prune/erdos_renyi_kernel.hpp"
#include "serpette/prune/global.hpp"
#include "serpette/prune/lamp.hpp"
#include "serpette/prune/learned.hpp"
#include "serpette/prune/limits.hpp"
#include "serpette/prune/per_layer.hpp"

namespace serpette {

/// The allocations that ship.
enum class AllocationKind { kPerLayer, kGlobal, kLamp, kErdosRenyiKernel, kLearned };

constexpr auto words(AllocationKind) {
  return std::array<Word<AllocationKind>, 5>{
      {{"per-layer", AllocationKind::kPerLayer},
       {"global", AllocationKind::kGlobal},
       {"lamp", AllocationKind::kLamp},
       {"erdos-renyi-kernel", AllocationKind::kErdosRenyiKernel},
       {"learned", AllocationKind::kLearned}}};
}

/// Any of them, chosen while a program runs (`--allocation lamp`): what scenarios have unless they
/// name another. Results are kept under the chosen one's own settings.
struct ChosenAllocation {
  static constexpr std::string_view name = "Chosen allocation";

  AllocationKind kind = AllocationKind::kPerLayer;
  Limits limits{};                          ///< What is left alone, by any.
  Comparable compared = Comparable::kMean;  ///< `Global`'s.
  Learned learned{};                        ///< But for its limits.

  static constexpr auto describe() {
    return serpette::settings(
        setting<&ChosenAllocation::kind>("How much goes where").as(""),
        part<&ChosenAllocation::limits>(""),
        setting<&ChosenAllocation::compared>("How layers are made comparable"),
        part<&ChosenAllocation::learned>("", {"spare_heads", "spare_first", "spare", "at_least"}));
  }

  /// Whether the chosen one has the setting.
  [[nodiscard]] constexpr bool has(std::string_view setting) const {
    if (setting == "compared") return kind == AllocationKind::kGlobal;
    return setting != "learned" || kind == AllocationKind::kLearned;
  }

  [[nodiscard]] constexpr bool learns() const { return kind == AllocationKind::kLearned; }
  [[nodiscard]] constexpr bool is_per_layer() const { return kind == AllocationKind::kPerLayer; }

  /// Calls `visit` with the chosen one.
  template <class Visit>
  decltype(auto) visit(Visit&& visit) const {
    switch (kind) {
      case AllocationKind::kGlobal:
        return visit(Global{.compared = compared, .limits = limits});
      case AllocationKind::kLamp:
        return visit(Lamp{.limits = limits});
      case AllocationKind::kErdosRenyiKernel:
        return visit(ErdosRenyiKernel{.limits = limits});
      case AllocationKind::kLearned:
        return visit(chosen_learned());
      case AllocationKind::kPerLayer:
        break;
    }
    return visit(PerLayer{.limits = limits});
  }

  /// @throws Error  as the chosen one.
  void require_fits(const Graph& graph) const {
    visit([&](const auto& chosen) {
      if constexpr (requires { chosen.require_fits(graph); }) chosen.require_fits(graph);
    });
  }

  /// `Learned` as it is set here.
  [[nodiscard]] Learned chosen_learned() const {
    auto chosen = learned;
    chosen.limits = limits;
    return chosen;
  }

  /// The chosen one's settings as text.
  [[nodiscard]] std::string settings() const {
    return visit([](const auto& chosen) { return settings_text(chosen); });
  }

  [[nodiscard]] std::vector<std::int64_t> removed(const Graph& graph,
                                                  const std::vector<PieceSet>& sets,
                                                  const Importance& importance, Ratio ratio) const {
    return visit(
        [&](const auto& chosen) { return chosen.removed(graph, sets, importance, ratio); });
  }
};
static_assert(Allocation<ChosenAllocation>);

/// The learning one of an allocation that learns.
inline Learned learned_of(const Learned& allocation) { return allocation; }
inline Learned learned_of(const ChosenAllocation& allocation) {
  return allocation.chosen_learned();
}

}  // namespace serpette
