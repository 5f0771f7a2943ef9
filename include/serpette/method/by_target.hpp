#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "serpette/graph/compact.hpp"
#include "serpette/graph/footprint.hpp"
#include "serpette/method/run_cell.hpp"
#include "serpette/prune/mask.hpp"

/// @file
/// Pruning by what is wanted of the network, not by a ratio: bisection over ratios.

namespace serpette {

/// A ratio that was tried, and what came of it.
struct Probe {
  Ratio ratio;
  double value = 0;    ///< What was measured there.
  bool meets = false;  ///< Whether that is what is wanted.
};

/// Where a bisection looks.
struct SearchRange {
  Ratio least{};                         ///< Tried first.
  Ratio most = Ratio::percent(99);       ///< Tried second.
  Ratio resolution = Ratio::percent(1);  ///< What is found is exact to this.
};

namespace detail {
/// Halves [good, bad] until they are one step apart, `good` meeting what is wanted.
template <class Try>
Probe bisect(Probe good, Probe bad, Ratio resolution, const Try& attempt) {
  const auto level = [](Ratio r) { return r.count(Ratio::kLevels); };
  const auto step = std::max<std::int64_t>(level(resolution), 1);
  while (std::abs(level(good.ratio) - level(bad.ratio)) > step) {
    auto middle = (level(good.ratio) + level(bad.ratio)) / 2;
    const auto on_grid = (middle + step / 2) / step * step;  // whole steps where there is room
    const auto [low, high] = std::minmax({level(good.ratio), level(bad.ratio)});
    if (on_grid > low && on_grid < high) middle = on_grid;
    const auto probe = attempt(Ratio::level(middle));
    (probe.meets ? good : bad) = probe;
  }
  return good;
}
}  // namespace detail

/// The largest ratio at which a value that falls with the ratio is still at least `bound`. Where
/// the value is noisy, as AP is, it is one at which the next step no longer was.
/// @param measure   measure(ratio) → double.
/// @param on_probe  on_probe(probe) hears of every ratio that was tried.
/// @throws Error    naming `what`, if the value is below the bound from the start.
template <class Measure, class OnProbe>
Probe largest_ratio(std::string_view what, double bound, const SearchRange& range,
                    Measure&& measure, OnProbe&& on_probe) {
  const auto attempt = [&](Ratio ratio) {
    const double value = measure(ratio);
    const Probe probe{ratio, value, value >= bound};
    on_probe(probe);
    return probe;
  };
  const auto first = attempt(range.least);
  require(first.meets, what, "should be within reach, got {:.4g} wanted and {:.4g} at {} %", bound,
          first.value, range.least.str());
  const auto last = attempt(range.most);
  return last.meets ? last : detail::bisect(first, last, range.resolution, attempt);
}

/// The least ratio at which a value that falls with the ratio is at most `bound`: a budget met by
/// pruning no more than it takes. Likewise.
/// @throws Error  naming `what`, if the value is above the bound to the end.
template <class Measure, class OnProbe>
Probe least_ratio(std::string_view what, double bound, const SearchRange& range, Measure&& measure,
                  OnProbe&& on_probe) {
  const auto attempt = [&](Ratio ratio) {
    const double value = measure(ratio);
    const Probe probe{ratio, value, value <= bound};
    on_probe(probe);
    return probe;
  };
  const auto first = attempt(range.least);
  if (first.meets) return first;
  const auto last = attempt(range.most);
  require(last.meets, what, "should be within reach, got {:.6g} wanted and {:.6g} at {} %", bound,
          last.value, range.most.str());
  return detail::bisect(last, first, range.resolution, attempt);
}

/// Parameters of the network that a granularity leaves at a ratio, cut out of it.
/// @param scores  any of the network: which pieces go makes no difference to how many do.
template <PruneGranularity Granularity, Allocation A>
std::int64_t parameters_at(const Graph& graph, const ScoreMap& scores, Ratio ratio,
                           const Granularity& granularity, const A& allocation) {
  return parameters(
      plan_compaction(graph, make_mask(graph, scores, ratio, granularity, allocation)).graph);
}

/// The least pruning that meets a budget of parameters.
/// @throws Error  if the granularity cuts nothing out of a network, or the budget is out of reach.
template <PruneGranularity Granularity, Allocation A, class OnProbe>
Probe ratio_within_parameters(const Graph& graph, const ScoreMap& scores, std::int64_t most,
                              const Granularity& granularity, const A& allocation,
                              SearchRange range, OnProbe&& on_probe) {
  require(
      removes_filters<Granularity>, "--max-parameters",
      "should come with a granularity that cuts filters out of the network, as Structured does; "
      "{} leaves all {} parameters in their places",
      Granularity::name, parameters(graph));
  return least_ratio(
      "--max-parameters", static_cast<double>(most), range,
      [&](Ratio ratio) {
        return static_cast<double>(parameters_at(graph, scores, ratio, granularity, allocation));
      },
      on_probe);
}

/// What a share is kept of.
enum class KeepOf {
  kRobustAp50,  ///< AP50 under the scenario's attack.
  kAp50,        ///< AP50 on clean images.
};

constexpr auto words(KeepOf) {
  return std::array<Word<KeepOf>, 2>{
      {{"robust_AP50", KeepOf::kRobustAp50}, {"AP50", KeepOf::kAp50}}};
}

/// The largest ratio at which a scenario keeps a share of what it has at ratio 0 (robustly trained
/// and fine-tuned, but not pruned). Every probe trains a cell of its own; the stages that cells
/// share are computed once and kept, as is the cell that is found.
/// @param id     its ratio is set aside.
/// @param share  in (0, 1].
/// @throws Error  if there is nothing to keep: an AP50 of 0 at ratio 0.
template <Detector D, Dataset Train, Dataset Test, StageStore Store, Observer O, class OnProbe>
Probe ratio_that_keeps(const ErasedScenario& scenario, const Experiment<D, Train, Test>& experiment,
                       const Store& store, CellId id, double share, KeepOf of, SearchRange range,
                       O& observer, OnProbe&& on_probe) {
  require(share > 0 && share <= 1, "--keep", "should be a share above 0 to 1, got {}", share);
  const auto& e = experiment;
  const auto seed =
      e.seed.derive("run").derive(static_cast<std::uint64_t>(id.run)).derive("evaluation");
  const auto value = [&](Ratio ratio) {
    id.ratio = ratio;
    auto trained = train_cell(scenario, e, store, id, observer);
    auto frozen = trained.network.frozen();
    const auto under = [&](const ErasedAttack& attack) {
      notify::stage(observer, "evaluation", evaluated_images(e.test, e.budget.evaluate));
      return evaluate(trained.network, frozen, e.test, attack, scenario.color, e.budget.evaluate,
                      seed, e.device, observer)
          .standard.AP50;
    };
    return of == KeepOf::kAp50 ? under(Unattacked{}) : under(scenario.attack);
  };
  const double whole = value(Ratio());
  require(whole > 0, "--keep", "should be a share of something, got an AP50 of {} at ratio 0",
          whole);
  on_probe(Probe{Ratio(), whole, true});
  return largest_ratio(
      "--keep", share * whole, range,
      [&](Ratio ratio) { return ratio == Ratio() ? whole : value(ratio); },
      [&](const Probe& probe) {
        if (probe.ratio != Ratio()) on_probe(probe);
      });
}

}  // namespace serpette
