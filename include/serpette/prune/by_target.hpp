#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string_view>

#include "serpette/core/contract.hpp"
#include "serpette/core/ratio.hpp"
#include "serpette/graph/compact.hpp"
#include "serpette/graph/footprint.hpp"

/// @file
/// Pruning by what is wanted of the network, not by a ratio: bisection over ratios. What is
/// measured at a ratio is the caller's: average precision of a network trained there, milliseconds,
/// parameters.

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
/// attempt(ratio) → the Probe there, which on_probe hears of.
template <class Measure, class OnProbe, class Meets>
auto attempts(Measure& measure, OnProbe& on_probe, Meets meets) {
  return [&measure, &on_probe, meets](Ratio ratio) {
    const double value = measure(ratio);
    const Probe probe{ratio, value, meets(value)};
    on_probe(probe);
    return probe;
  };
}

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
  const auto attempt =
      detail::attempts(measure, on_probe, [&](double value) { return value >= bound; });
  const auto first = attempt(range.least);
  require(first.meets, what, "should be at most {:.6g}, what there is at {} %; got {:.6g}",
          first.value, range.least.str(), bound);
  const auto last = attempt(range.most);
  return last.meets ? last : detail::bisect(first, last, range.resolution, attempt);
}

/// The least ratio at which a value that falls with the ratio is at most `bound`: a budget met by
/// pruning no more than it takes. Likewise.
/// @throws Error  naming `what`, if the value is above the bound to the end.
template <class Measure, class OnProbe>
Probe least_ratio(std::string_view what, double bound, const SearchRange& range, Measure&& measure,
                  OnProbe&& on_probe) {
  const auto attempt =
      detail::attempts(measure, on_probe, [&](double value) { return value <= bound; });
  const auto first = attempt(range.least);
  if (first.meets) return first;
  const auto last = attempt(range.most);
  require(last.meets, what, "should be at least {:.6g}, what is left at {} %; got {:.6g}",
          last.value, range.most.str(), bound);
  return detail::bisect(last, first, range.resolution, attempt);
}

/// The least pruning that meets a budget of parameters, counted in the network that is left when
/// what a mask removes is cut out.
/// @param mask    mask(ratio) → Mask, of any scores: where the allocation looks at none, as many
///                pieces go whatever they are; otherwise `trained_within_parameters` has the last
///                word.
/// @throws Error  if the budget is out of reach; a granularity that cuts nothing out meets none.
template <class MakeMask, class OnProbe>
Probe ratio_within_parameters(const Graph& graph, std::int64_t most, const MakeMask& mask,
                              const SearchRange& range, OnProbe&& on_probe) {
  return least_ratio(
      "--max-parameters", static_cast<double>(most), range,
      [&](Ratio ratio) {
        return static_cast<double>(parameters(plan_compaction(graph, mask(ratio)).graph));
      },
      on_probe);
}

/// Ratios at which `trained_within_parameters` trains a network, at most.
inline constexpr int kTrainedAttempts = 8;

/// The first of some growing ratios at which the network that training leaves meets a budget of
/// parameters: by trained scores an allocation may take whole filters elsewhere than it did by
/// those that were counted with, where they hold fewer weights. From one attempt to the next the
/// ratio grows by what is missing, as if parameters fell evenly with it, and by one step of the
/// resolution at least, then two, four, ….
/// @param first    tried first: what `ratio_within_parameters` found.
/// @param whole    parameters at ratio 0.
/// @param trained  trained(ratio) → parameters of the network that is pruned there and trained.
/// @throws Error   if none of the attempts meets the budget, or `range.most` does not.
template <class Trained, class OnProbe>
Probe trained_within_parameters(Ratio first, std::int64_t whole, std::int64_t most,
                                const SearchRange& range, Trained&& trained, OnProbe&& on_probe) {
  const auto bound = static_cast<double>(most), all = static_cast<double>(whole);
  const auto attempt =
      detail::attempts(trained, on_probe, [&](double value) { return value <= bound; });
  const auto level = [](Ratio r) { return r.count(Ratio::kLevels); };
  const auto step = std::max<std::int64_t>(level(range.resolution), 1), last = level(range.most);
  auto probe = attempt(first);
  auto least = step;
  int attempts = 1;
  for (; !probe.meets && attempts < kTrainedAttempts && probe.ratio < range.most; ++attempts) {
    const double gone = all - probe.value, missing = probe.value - bound;
    const double grown = gone > 0 ? static_cast<double>(level(probe.ratio)) * missing / gone : 0;
    const auto steps = static_cast<std::int64_t>(
        std::ceil(std::min(grown, static_cast<double>(last)) / static_cast<double>(step)));
    const auto next = level(probe.ratio) + std::max(steps * step, least);
    probe = attempt(Ratio::level(std::min(next, last)));
    least *= 2;
  }
  require(probe.meets || probe.ratio < range.most, "--max-parameters",
          "should be at least {:.0f}, what training leaves at {} %, got {}", probe.value,
          probe.ratio.str(), most);
  require(
      probe.meets, "--max-parameters",
      "should be met within {} ratios that are trained, got {:.0f} parameters at {} %, the last "
      "of them, instead of {}: try --ratio above it",
      attempts, probe.value, probe.ratio.str(), most);
  return probe;
}

}  // namespace serpette
