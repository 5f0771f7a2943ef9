#pragma once

/// @internal How plan.hpp chooses.

/// @file
/// Which form each convolution of a plan gets.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <limits>
#include <mutex>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include "serpette/deploy/form.hpp"
#include "serpette/graph/graph.hpp"

namespace serpette::deploy {

/// Cost of changing the layout of one number, in multiply-adds as a form's cost: 17 to 23 in maps
/// that are near, up to 56 in the largest of YOLOv3.
inline constexpr double kLayoutChange = 30;

/// What a number costs less, likewise, that stays rounded between two layers (kept_maps.hpp):
/// YOLOv3's 1×1 convolutions of 52 × 52 × 256 take .2 ms where they took .32.
inline constexpr double kStaysRounded = 12;

/// Times of some ways to do the same, taking turns.
struct Timing {
  std::vector<double> best;  ///< Of each [s].
  double noise = 0;  ///< How far the same work's times lie apart: median ÷ best − 1, worst.
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
  for (auto& of_one : times) {
    std::ranges::sort(of_one);
    result.best.push_back(of_one.front());
    result.noise = std::max(result.noise, of_one[of_one.size() / 2] / of_one.front() - 1);
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
        rounds_(std::move(rounds)) {}

  /// By position in graph.convolutions(). From the best form of each layer by itself, and from the
  /// best of each layout, layers change one by one as long as it helps; the best end counts.
  [[nodiscard]] std::vector<std::size_t> best() const {
    std::vector<std::size_t> found;
    double least = std::numeric_limits<double>::infinity();
    for (const auto only : {std::optional<Layout>(), std::optional(Layout::kChannelsLast),
                            std::optional(Layout::kPlanes)}) {
      auto forms = improved(start(only));
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
    std::vector<bool> is_rounded(graph_.layers.size(), false);  // its output may be
    std::size_t position = 0;
    for (int i = 0; i < graph_.size(); ++i) {
      const auto& inputs = graph_[i].inputs;
      const auto was_rounded = [&](int j) {
        return j != kImage && is_rounded[static_cast<std::size_t>(j)];
      };
      if (graph_[i].as<Convolutional>()) {
        const auto form = forms[position];
        sum += costs_[position++][form];
        is_rounded[static_cast<std::size_t>(i)] = rounds_[form];
        if (rounds_[form] && was_rounded(inputs.front()))
          sum -= kStaysRounded * numbers(graph_.shape(inputs.front()));
      }
      if (graph_[i].as<Shortcut>())  // finished by the later one
        is_rounded[static_cast<std::size_t>(i)] = was_rounded(std::max(inputs[0], inputs[1]));
      if (graph_[i].as<Yolo>()) continue;  // heads are copied whatever their layout
      for (const int j : inputs) {
        if (layout_of(j) == layout_of(i) || changed[static_cast<std::size_t>(j + 1)]) continue;
        changed[static_cast<std::size_t>(j + 1)] = true;
        sum += kLayoutChange * numbers(graph_.shape(j));
      }
    }
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
  static double numbers(const Shape& s) { return 1.0 * s.channels * s.height * s.width; }

  [[nodiscard]] std::vector<std::size_t> start(std::optional<Layout> only) const {
    std::vector<std::size_t> forms;
    for (const auto& costs : costs_) {
      const auto cheapest = [&](std::optional<Layout> layout) {
        std::optional<std::size_t> found;
        for (std::size_t f = 0; f < costs.size(); ++f)
          if ((!layout || layouts_[f] == *layout) && costs[f] < kImpossible &&
              (!found || costs[f] < costs[*found]))
            found = f;
        return found;
      };
      const auto wanted = cheapest(only);
      forms.push_back(wanted ? *wanted : cheapest({}).value());
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
};

}  // namespace serpette::deploy
