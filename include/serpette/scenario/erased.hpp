#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "serpette/concepts/erased.hpp"
#include "serpette/core/typed_settings.hpp"
#include "serpette/prune/mask.hpp"
#include "serpette/prune/possible.hpp"
#include "serpette/scenario/scenario.hpp"

namespace serpette {

/// What is pruned, as a scenario's granularity and allocation have it.
struct ErasedPruning {
  std::string_view granularity, allocation;  ///< Their names.
  bool removes_filters;
  /// `make_mask` and `count_kept` of the two.
  std::function<Mask(const Graph&, const ScoreMap&, Ratio)> mask;
  std::function<Kept(const Graph&, const Mask&)> kept;
  /// `require_possible` of the two: refuses what they cannot do to a network.
  std::function<void(const Graph&, std::span<const Ratio>)> require_possible;

  template <PruneGranularity G, Allocation A>
  ErasedPruning(const G& granularity, const A& allocation)
      : granularity(G::name),
        allocation(A::name),
        removes_filters(serpette::removes_filters<G>),
        mask([granularity, allocation](const Graph& graph, const ScoreMap& scores, Ratio ratio) {
          return make_mask(graph, scores, ratio, granularity, allocation);
        }),
        kept([granularity](const Graph& graph, const Mask& mask) {
          return count_kept(graph, mask, granularity);
        }),
        require_possible(
            [granularity, allocation](const Graph& graph, std::span<const Ratio> ratios) {
              serpette::require_possible(graph, ratios, granularity, allocation);
            }) {}
};

/// How a ratio is reached.
struct ErasedSchedule {
  std::string_view name;
  std::function<std::vector<Ratio>(Ratio last)> ratios;

  template <detail::OtherThan<ErasedSchedule> S>
    requires Schedule<S>
  ErasedSchedule(const S& schedule)  // NOLINT(google-explicit-constructor): a schedule is one
      : name(S::name), ratios([schedule](Ratio last) { return schedule.ratios(last); }) {}
};

/// The settings of a scenario's policies, as text (`settings_text`): what results are kept under.
struct PolicyTexts {
  std::string score, granularity, allocation, attack, color, objective, schedule;
};

/// A scenario as a value: what the method and the study take, so that they are compiled once for
/// all scenarios. Policies stay types, composed and checked by templates; every scenario becomes
/// one of these by itself where it is run.
class ErasedScenario {
 public:
  template <detail::OtherThan<ErasedScenario> S>
    requires AnyScenario<S>
  ErasedScenario(const S& scenario)  // NOLINT(google-explicit-constructor): a scenario is one
      : score(scenario.score),
        pruning(scenario.granularity, allocation_of(scenario)),
        attack(scenario.attack),
        color(scenario.color),
        objective(objective_of(scenario)),
        schedule(schedule_of(scenario)),
        texts{settings_text(scenario.score),          settings_text(scenario.granularity),
              settings_text(allocation_of(scenario)), settings_text(scenario.attack),
              settings_text(scenario.color),          settings_text(objective_of(scenario)),
              settings_text(schedule_of(scenario))},
        text_(settings_text(scenario)),
        typed_(typed_settings(scenario)),
        with_([scenario](const GivenSettings& given) {
          return ErasedScenario(with_settings(scenario, given));
        }) {}

  ErasedScore score;
  ErasedPruning pruning;
  ErasedAttack attack;
  ErasedColorMode color;
  ErasedObjective objective;
  ErasedSchedule schedule;
  PolicyTexts texts;

  /// `settings_text` of the scenario.
  [[nodiscard]] std::string settings() const { return text_; }
  /// What people can set of it.
  [[nodiscard]] const std::vector<TypedSetting>& typed() const { return typed_; }
  /// The scenario with the settings that were given and that it has.
  /// @throws Error  if one may not be that, or they do not go together.
  [[nodiscard]] ErasedScenario with(const GivenSettings& given) const { return with_(given); }

 private:
  std::string text_;
  std::vector<TypedSetting> typed_;
  std::function<ErasedScenario(const GivenSettings&)> with_;
};

}  // namespace serpette
