#pragma once

/// @internal How plan.hpp chooses.

/// @file
/// Which form each convolution of a plan gets.

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <limits>
#include <mutex>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include "serpette/deploy/finished_shortcuts.hpp"
#include "serpette/deploy/form.hpp"
#include "serpette/graph/graph.hpp"

namespace serpette::deploy {

/// Cost of changing the layout of one number, in multiply-adds as a form's cost: 17 to 23 in maps
/// that are near, up to 56 in the largest of YOLOv3.
inline constexpr double kLayoutChange = 30;

/// What a number costs less, likewise, that stays rounded between two layers (kept_maps.hpp):
/// YOLOv3's 1×1 convolutions of 52 × 52 × 256 take .2 ms where they took .32 (AMX), in direct int8
/// .47 where they took .59 (Zen 4).
inline constexpr double kStaysRounded = 12;

/// Times of some ways to do the same, taking turns.
struct Timing {
  std::vector<double> best;  ///< Of each [s].
  double noise = 0;  ///< Of those timed to the end: how far the bests of every other turn lie
                     ///< apart, their ratio − 1, the worst.
};

namespace detail {
/// Held by what is being timed: one for all kinds of work, whose templates would each have its own.
inline std::mutex one_at_a_time;
}  // namespace detail

/// Times `work(i)` for i = 0 … model.size() − 1, after a warm-up, while nothing else of this
/// process is being timed so. Every way has at least `repeats` turns, and all together 3 ms; but
/// one that is behind by the clock and by the model has no more of them.
/// @param model  what each costs by a model, in any unit.
template <class Work>
Timing time_in_turns(const std::vector<double>& model, int repeats, const Work& work) {
  const std::scoped_lock lock(detail::one_at_a_time);
  std::vector<std::vector<double>> times(model.size());
  std::vector<std::size_t> left(model.size());
  std::iota(left.begin(), left.end(), 0);
  const auto best = [&](std::size_t i) { return *std::ranges::min_element(times[i]); };
  const auto turn = [&] {
    double spent = 0;
    for (const auto i : left) {
      const auto begin = std::chrono::steady_clock::now();
      work(i);
      const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
      times[i].push_back(seconds.count());
      spent += seconds.count();
    }
    constexpr double kBehind = 1.3;
    const auto first = *std::ranges::min_element(left, {}, best);
    const double most = kBehind * best(first);
    std::erase_if(left, [&](auto i) { return best(i) > most && model[i] > model[first]; });
    return spent;
  };
  turn();
  for (const auto i : left) times[i].clear();
  const bool is_contest = left.size() > 1 || model.size() == 1;
  double spent = turn();
  for (int turns = 1; is_contest && (turns < repeats || spent < 3e-3); ++turns) spent += turn();

  Timing result;
  for (const auto& of_one : times) result.best.push_back(*std::ranges::min_element(of_one));
  for (const auto i : left) {
    std::array<double, 2> bests;  // of even and of odd turns
    bests.fill(std::numeric_limits<double>::infinity());
    for (std::size_t t = 0; t < times[i].size(); ++t)
      bests[t % 2] = std::min(bests[t % 2], times[i][t]);
    const auto [least, most] = std::ranges::minmax(bests);
    if (times[i].size() > 1) result.noise = std::max(result.noise, most / least - 1);
  }
  return result;
}

/// Costs of a layer's forms by model and clock: times where they differ by more than noise, else
/// what the model thinks, so that the same network gets the same plan again. A machine that is busy
/// with other work is not listened to.
/// @param model  by form, infinite where it does not fit.
/// @param times  the same forms' best times [s]; 0 where none was taken.
/// @return       by form, in the unit of the model.
inline std::vector<double> settled_costs(const std::vector<double>& model,
                                         const std::vector<double>& times, double noise) {
  constexpr double kLeastNoise = 0.05, kTooMuch = 0.3;
  std::size_t best = times.size();  // by the clock
  for (std::size_t f = 0; f < times.size(); ++f)
    if (times[f] > 0 && (best == times.size() || times[f] < times[best])) best = f;
  if (best == times.size() || noise > kTooMuch) return model;
  const double band = 1 + std::max(noise, kLeastNoise);
  std::size_t preferred = best;
  for (std::size_t f = 0; f < times.size(); ++f)
    if (times[f] > 0 && times[f] <= band * times[best] && model[f] < model[preferred])
      preferred = f;
  std::vector<double> costs = model;
  const double unit = model[preferred] / times[preferred];
  for (std::size_t f = 0; f < times.size(); ++f)
    if (times[f] > 0 && f != preferred) {
      // What is within the noise is as good, and a shade less preferred.
      const bool as_good = times[f] <= band * times[preferred];
      costs[f] = as_good ? model[preferred] * 1.001 : times[f] * unit;
    }
  return costs;
}

/// The forms that make the whole network fastest: the costs of the convolutions, and of the changes
/// of layout between layers that want different ones; less what maps save that stay rounded.
class Assignment {
 public:
  /// @param costs    by position in graph.convolutions(), by form; infinite where it does not fit.
  /// @param layouts  by form.
  /// @param rounds   by form, whether it reads and writes rounded maps.
  Assignment(const Graph& graph, std::vector<std::vector<double>> costs,
             std::vector<Layout> layouts, std::vector<bool> rounds)
      : graph_(graph),
        costs_(std::move(costs)),
        layouts_(std::move(layouts)),
        rounds_(std::move(rounds)),
        finished_(graph, convolutions(graph)),
        readers_(graph.layers.size()) {
    for (int i = 0; i < graph.size(); ++i)
      for (const int j : graph[i].inputs)
        if (j != kImage) readers_[static_cast<std::size_t>(j)].push_back(i);
  }

  /// By position in graph.convolutions(). From the best form of each layer by itself, the best of
  /// each layout, and the best of those that round, layers change one by one as long as it helps;
  /// the best end counts.
  [[nodiscard]] std::vector<std::size_t> best() const {
    std::vector<std::size_t> found;
    double least = std::numeric_limits<double>::infinity();
    const auto lies = [this](Layout layout) {
      return [this, layout](std::size_t form) { return layouts_[form] == layout; };
    };
    using Allowed = std::function<bool(std::size_t)>;
    for (const Allowed& allowed :
         {Allowed([](std::size_t) { return true; }), Allowed(lies(Layout::kChannelsLast)),
          Allowed(lies(Layout::kPlanes)),
          Allowed([this](std::size_t form) { return rounds_[form]; })}) {
      auto forms = improved(start(allowed));
      if (const double cost = total(forms); found.empty() || cost < least) {
        least = cost;
        found = std::move(forms);
      }
    }
    return found;
  }

  /// @param forms  by position in graph.convolutions().
  [[nodiscard]] double total(const std::vector<std::size_t>& forms) const {
    double sum = 0;
    const auto made = layouts(forms);
    std::vector<bool> changed(graph_.layers.size() + 1, false);  // its output exists in both
    const auto layout_of = [&](int i) {
      return i == kImage ? Layout::kPlanes : made[static_cast<std::size_t>(i)];
    };
    std::size_t position = 0;
    std::vector<bool> rounds(graph_.layers.size(), false);  // by graph index: a convolution's form
    for (int i = 0; i < graph_.size(); ++i) {
      const auto& inputs = graph_[i].inputs;
      if (graph_[i].as<Convolutional>()) {
        const auto form = forms[position];
        sum += costs_[position++][form];
        rounds[static_cast<std::size_t>(i)] = rounds_[form];
      }
      if (graph_[i].as<Yolo>()) continue;  // heads are copied whatever their layout
      for (const int j : inputs) {
        if (layout_of(j) == layout_of(i) || changed[static_cast<std::size_t>(j + 1)]) continue;
        changed[static_cast<std::size_t>(j + 1)] = true;
        sum += kLayoutChange * numbers(graph_.shape(j));
      }
    }
    for (int i = 0; i < graph_.size(); ++i) sum -= saved(i, rounds);
    return sum;
  }

  /// By graph index, the layout of each layer's output: a convolution's is its form's, any other
  /// layer keeps that of its first input.
  [[nodiscard]] std::vector<Layout> layouts(const std::vector<std::size_t>& forms) const {
    std::vector<Layout> made(graph_.layers.size(), Layout::kPlanes);
    std::size_t position = 0;
    for (int i = 0; i < graph_.size(); ++i) {
      const int from = graph_[i].inputs.front();
      made[static_cast<std::size_t>(i)] = graph_[i].as<Convolutional>()
                                              ? layouts_[forms[position++]]
                                          : from == kImage ? Layout::kPlanes
                                                           : made[static_cast<std::size_t>(from)];
    }
    return made;
  }

 private:
  /// By graph index, which layers are convolutions.
  static std::vector<bool> convolutions(const Graph& graph) {
    std::vector<bool> are(graph.layers.size());
    for (const int i : graph.convolutions()) are[static_cast<std::size_t>(i)] = true;
    return are;
  }
  static double numbers(const Shape& s) { return 1.0 * s.channels * s.height * s.width; }

  /// What is saved where layer i's output may stay rounded, as KeptMaps decides that knows how the
  /// forms' layers read it; half of it where somebody needs floats, too.
  /// @param rounds  by graph index, whether a convolution's form does.
  [[nodiscard]] double saved(int i, const std::vector<bool>& rounds) const {
    const auto of = [](const auto& values, int k) { return values[static_cast<std::size_t>(k)]; };
    const int writer = finished_.writer_of(i);
    if (!of(rounds, writer) || !is_piecewise_linear(graph_.convolution(writer).activation))
      return 0;
    bool is_read = false, is_alone = true;
    for (const int reader : of(readers_, i))
      if (of(rounds, reader))
        is_read = true;
      else if (!of(rounds, finished_.writer_of(reader)))
        is_alone = false;
    if (!is_read) return 0;
    return (is_alone ? 1 : 0.5) * kStaysRounded * numbers(graph_.shape(i));
  }

  /// The cheapest of the forms that are allowed, or of all where none of them fits.
  template <class Allowed>
  [[nodiscard]] std::vector<std::size_t> start(const Allowed& allowed) const {
    std::vector<std::size_t> forms;
    for (const auto& costs : costs_) {
      const auto cheapest = [&](const auto& may) {
        std::optional<std::size_t> found;
        for (std::size_t f = 0; f < costs.size(); ++f)
          if (may(f) && costs[f] < kImpossible && (!found || costs[f] < costs[*found])) found = f;
        return found;
      };
      const auto wanted = cheapest(allowed);
      forms.push_back(wanted ? *wanted : cheapest([](std::size_t) { return true; }).value());
    }
    return forms;
  }

  [[nodiscard]] std::vector<std::size_t> improved(std::vector<std::size_t> forms) const {
    double now = total(forms);
    for (bool better = true; better;) {
      better = false;
      for (std::size_t c = 0; c < forms.size(); ++c)
        for (std::size_t f = 0; f < costs_[c].size(); ++f) {
          if (f == forms[c] || costs_[c][f] == kImpossible) continue;
          const auto before = std::exchange(forms[c], f);
          if (const double cost = total(forms); cost < now) {
            now = cost;
            better = true;
          } else {
            forms[c] = before;
          }
        }
    }
    return forms;
  }

  static constexpr double kImpossible = std::numeric_limits<double>::infinity();

  const Graph& graph_;
  std::vector<std::vector<double>> costs_;
  std::vector<Layout> layouts_;
  std::vector<bool> rounds_;
  FinishedShortcuts finished_;             // if all forms add residuals, as those do that round
  std::vector<std::vector<int>> readers_;  // by graph index
};

}  // namespace serpette::deploy
