#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "serpette/concepts/erased.hpp"
#include "serpette/core/typed_settings.hpp"
#include "serpette/prune/chosen_allocation.hpp"
#include "serpette/prune/learned.hpp"
#include "serpette/prune/mask.hpp"
#include "serpette/prune/possible.hpp"
#include "serpette/scenario/scenario.hpp"

namespace serpette {

/// An allocation whose rates are trained with the scores, of a granularity (prune/learned.hpp).
struct ErasedLearning {
  double rate;                                    ///< As `Learned::rate`.
  std::function<at::Tensor(const Graph&)> start;  ///< The logits that training begins with.
  /// `make_mask` and `logit_gradient` of the logits.
  std::function<Mask(const Graph&, const ScoreMap&, Ratio, const at::Tensor& logits)> mask;
  std::function<at::Tensor(const Graph&, const ScoreMap&, Ratio, const at::Tensor& logits,
                           const Slopes&)>
      gradient;

  /// @throws Error  if the granularity is not asked set by set, or says itself what a ratio is of.
  template <PruneGranularity G>
  ErasedLearning(const G& granularity, const Learned& learned)
      : rate(learned.rate),
        start([granularity](const Graph& graph) {
          return at::zeros({std::ssize(granularity.pieces(graph))}, at::kDouble);
        }),
        mask([granularity, learned](const Graph& graph, const ScoreMap& scores, Ratio ratio,
                                    const at::Tensor& logits) {
          return make_mask(graph, scores, ratio, granularity, learned.with(logits));
        }),
        gradient([granularity, learned](const Graph& graph, const ScoreMap& scores, Ratio ratio,
                                        const at::Tensor& logits, const Slopes& slopes) {
          return logit_gradient(graph, granularity, learned, scores, ratio, logits, slopes);
        }) {
    if constexpr (requires(const Graph& graph) { granularity.cost(graph); })
      require(learned.of == LearnedOf{}, Learned::name,
              "should leave what a ratio is of to {} (--granularity-ratio-of), got {}", G::name,
              typed_text(learned.of));
  }
};

/// What is pruned, as a scenario's granularity and allocation have it.
struct ErasedPruning {
  std::string_view granularity, allocation;  ///< Their names.
  bool removes_filters;
  Levelled ranks;  ///< What it has to tell apart.
  /// `make_mask` and `count_kept` of the two.
  std::function<Mask(const Graph&, const ScoreMap&, Ratio)> mask;
  std::function<Kept(const Graph&, const Mask&)> kept;
  /// `require_possible` of the two: refuses what they cannot do to a network.
  std::function<void(const Graph&, std::span<const Ratio>)> require_possible;
  /// The layers that the granularity cannot prune at all (`left_whole`).
  std::function<std::vector<std::string>(const Graph&)> left_whole;
  /// Where rates are trained; `mask` is then the one that training begins with.
  std::optional<ErasedLearning> learning{};

  template <PruneGranularity G, Allocation A>
  ErasedPruning(const G& granularity, const A& allocation)
      : granularity(G::name),
        allocation(A::name),
        removes_filters(serpette::removes_filters<G>),
        ranks(serpette::ranks(granularity)),
        mask([granularity, allocation](const Graph& graph, const ScoreMap& scores, Ratio ratio) {
          return make_mask(graph, scores, ratio, granularity, allocation);
        }),
        kept([granularity](const Graph& graph, const Mask& mask) {
          return count_kept(graph, mask, granularity);
        }),
        require_possible(
            [granularity, allocation](const Graph& graph, std::span<const Ratio> ratios) {
              serpette::require_possible(graph, ratios, granularity, allocation);
            }),
        left_whole([granularity](const Graph& graph) {
          return serpette::left_whole(graph, granularity);
        }) {
    if constexpr (requires { learned_of(allocation); })
      if (learns(allocation)) {
        constexpr bool is_composed =
            requires(const Graph& graph, const ScoreMap& scores, Ratio ratio) {
              granularity.composed(graph, scores, ratio, allocation);
            };
        if constexpr (is_composed)
          fail(Learned::name,
               "should come with a granularity whose sets of pieces it shares out itself, got {}; "
               "take another allocation",
               G::name);
        else
          learning.emplace(granularity, learned_of(allocation));
      }
  }
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
        }) {
    require(pruning.ranks == Levelled::kNothing || score.levels < pruning.ranks,
            pruning.granularity,
            "should come with scores that tell {} apart, got {} divided by the mean of the {}; "
            "normalise by something else (--score-normalise {})",
            pruning.ranks == Levelled::kFilters ? "filters" : "layers", score.name,
            score.levels == Levelled::kFilters ? "filter" : "layer",
            pruning.ranks == Levelled::kFilters ? "layer" : "none");
    if (!pruning.learning) return;
    require(score.training.has_value(), Learned::name,
            "should come with a score that is trained, as HYDRA's is, since rates are trained with "
            "it; got {}",
            score.name);
    require(schedule.ratios(Ratio::percent(50)).size() == 1, Learned::name,
            "should come with pruning in one shot, since rates of a later round could bring back "
            "what is gone; got the schedule {}",
            schedule.name);
  }

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
