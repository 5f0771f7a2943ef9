#pragma once

#include <concepts>
#include <type_traits>
#include <utility>

#include "serpette/concepts/allocation.hpp"
#include "serpette/concepts/attack.hpp"
#include "serpette/concepts/color_mode.hpp"
#include "serpette/concepts/objective.hpp"
#include "serpette/concepts/prune_granularity.hpp"
#include "serpette/concepts/schedule.hpp"
#include "serpette/concepts/score_init.hpp"
#include "serpette/core/settings.hpp"
#include "serpette/objective/pgd_adversarial.hpp"
#include "serpette/prune/chosen_allocation.hpp"
#include "serpette/prune/per_layer.hpp"
#include "serpette/prune/schedule.hpp"

namespace serpette {

namespace req {
/// A score that is trained, where the allocation learns its rates with it.
template <class Score, class Share>
concept TrainsWithRates = !always_learns<Share> || TrainsScores<Score>;
}  // namespace req

/// An experimental scenario: its policies as one value. `Scenario<Hydra, Filter, Pgd, Rgb>{}` has
/// the papers' settings; `{.attack = {.epsilon = 4.0 / 255}}` is another configuration of the same
/// type.
template <ScoreInit Score, PruneGranularity Granularity, Attack AttackPolicy, ColorMode Color,
          Objective Goal = PgdAdversarial, Allocation Share = ChosenAllocation,
          Schedule Way = Rounds>
  requires req::MakesTwins<AttackPolicy, Score> && req::TrainsWithRates<Score, Share>
struct Scenario {
  Score score{};
  Granularity granularity{};
  AttackPolicy attack{};
  Color color{};
  Goal objective{};
  Share allocation{};
  Way schedule{};

  static constexpr auto describe() {
    return settings(part<&Scenario::score>("score"), part<&Scenario::granularity>("granularity"),
                    part<&Scenario::attack>("attack"), part<&Scenario::color>("color"),
                    part<&Scenario::objective>("objective"),
                    part<&Scenario::allocation>("allocation"),
                    part<&Scenario::schedule>("schedule"));
  }

  /// @throws Error  if the attack's radius is below 0, or the score, as it is set, compares images
  /// with attacked ones and there are none.
  void check() const {
    const double radius = radius_of(attack).value_or(1);  // one that has none is not of radius 0
    require(radius >= 0, AttackPolicy::name, "epsilon should be at least 0, got {}", radius);
    require(!wants_twins(score) || !is_identity<AttackPolicy>, Score::name,
            "compares images with their attacked twins and should have an attack, got {}",
            AttackPolicy::name);
    require(!wants_twins(score) || radius > 0, Score::name,
            "compares images with their attacked twins and should have an attack of a radius "
            "above 0 (--attack-epsilon), got 0");
  }
};

/// @name The types of a scenario's policies
/// @{
template <class S>
using ScoreOf = std::remove_cvref_t<decltype(std::declval<const S&>().score)>;
template <class S>
using GranularityOf = std::remove_cvref_t<decltype(std::declval<const S&>().granularity)>;
template <class S>
using AttackOf = std::remove_cvref_t<decltype(std::declval<const S&>().attack)>;
template <class S>
using ColorOf = std::remove_cvref_t<decltype(std::declval<const S&>().color)>;
/// @}

/// The scenario's objective; `PgdAdversarial` where it has none.
template <class S>
[[nodiscard]] constexpr auto objective_of(const S& scenario) {
  if constexpr (requires { scenario.objective; })
    return scenario.objective;
  else
    return PgdAdversarial{};
}
template <class S>
using ObjectiveOf = decltype(objective_of(std::declval<const S&>()));

/// The scenario's allocation; `PerLayer` where it has none.
template <class S>
[[nodiscard]] constexpr auto allocation_of(const S& scenario) {
  if constexpr (requires { scenario.allocation; })
    return scenario.allocation;
  else
    return PerLayer{};
}
template <class S>
using AllocationOf = decltype(allocation_of(std::declval<const S&>()));

/// The scenario's schedule; all in one shot where it has none.
template <class S>
[[nodiscard]] constexpr auto schedule_of(const S& scenario) {
  if constexpr (requires { scenario.schedule; })
    return scenario.schedule;
  else
    return Rounds{};
}
template <class S>
using ScheduleOf = decltype(schedule_of(std::declval<const S&>()));

/// Any value with the members `score`, `granularity`, `attack` and `color` of the four concepts: a
/// `Scenario<…>`, or a type of one's own. Members `objective`, `allocation` and
/// `schedule` are optional.
template <class S>
concept AnyScenario = std::copyable<S> && requires {
  requires ScoreInit<ScoreOf<S>>;
  requires PruneGranularity<GranularityOf<S>>;
  requires Attack<AttackOf<S>>;
  requires ColorMode<ColorOf<S>>;
  requires Objective<ObjectiveOf<S>>;
  requires Allocation<AllocationOf<S>>;
  requires Schedule<ScheduleOf<S>>;
  requires req::MakesTwins<AttackOf<S>, ScoreOf<S>>;
  requires req::TrainsWithRates<ScoreOf<S>, AllocationOf<S>>;
};

}  // namespace serpette
