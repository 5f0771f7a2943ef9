#pragma once

/// @internal Forms by number, for plan.hpp.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <map>
#include <optional>
#include <string_view>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/deploy/choose.hpp"
#include "serpette/deploy/form.hpp"
#include "serpette/deploy/map.hpp"
#include "serpette/deploy/plan_archive.hpp"
#include "serpette/deploy/rounded_map.hpp"
#include "serpette/deploy/slice.hpp"
#include "serpette/deploy/stored_array.hpp"
#include "serpette/deploy/team.hpp"
#include "serpette/deploy/workers.hpp"

namespace serpette::deploy {

/// Forms by their number in the list.
template <Form... Forms>
class FormList {
 public:
  /// A layer prepared for one of the forms; its index says which.
  using Prepared = std::variant<typename Forms::Prepared...>;

  static constexpr std::array<std::string_view, sizeof...(Forms)> kNames{Forms::name...};
  static constexpr std::array<Layout, sizeof...(Forms)> kLayouts{Forms::layout...};
  static constexpr std::array<bool, sizeof...(Forms)> kAddsResidual{Forms::adds_residual...};

  /// Whether there is such a form, and it fits.
  static bool fits(std::size_t form, const FoldedLayer& layer) {
    bool found = false;
    with_form(form, [&]<std::size_t I> { found = At<I>::fits(layer); });
    return found;
  }

  static Prepared prepare(std::size_t form, const FoldedLayer& layer) {
    std::optional<Prepared> made;
    with_form(form,
              [&]<std::size_t I> { made.emplace(std::in_place_index<I>, At<I>::prepare(layer)); });
    return std::move(made).value();
  }

  static void run(const Prepared& prepared, const FormInput& input) {
    with_form(prepared.index(), [&]<std::size_t I> { At<I>::run(std::get<I>(prepared), input); });
  }

  /// Whether a form writes rounded maps, and adds them.
  static constexpr std::array<bool, sizeof...(Forms)> kRounds{RoundedForm<Forms>...};
  /// How it wants its input rounded; none: it does not.
  static std::optional<RoundedLayout> reads(const Prepared& prepared) {
    std::optional<RoundedLayout> found;
    with_form(prepared.index(), [&]<std::size_t I> {
      if constexpr (RoundedForm<At<I>>) found = At<I>::reads(std::get<I>(prepared));
    });
    return found;
  }

  /// Whether all forms compute on Workers alone; whose a layer is.
  static constexpr bool kAreWorkersForms = (WorkersForm<Forms> && ...);
  static const Workers& workers(const Prepared& prepared)
    requires kAreWorkersForms
  {
    const Workers* found = nullptr;
    with_form(prepared.index(),
              [&]<std::size_t I> { found = &At<I>::workers(std::get<I>(prepared)); });
    return *found;
  }

  /// The rows that can be computed by themselves; none of a form that cannot.
  static std::vector<Slice> slices(const Prepared& prepared) {
    std::vector<Slice> found;
    with_form(prepared.index(), [&]<std::size_t I> {
      if constexpr (SlicedForm<At<I>>) found = At<I>::slices(std::get<I>(prepared));
    });
    return found;
  }
  static void run_slice(const Prepared& prepared, std::size_t k, const RowMaps<>& maps) {
    with_form(prepared.index(), [&]<std::size_t I> {
      if constexpr (SlicedForm<At<I>>) At<I>::run_slice(std::get<I>(prepared), k, maps);
    });
  }

  static void write(const Prepared& prepared, PlanWriter& to)
    requires(KeptForm<Forms> && ...)
  {
    with_form(prepared.index(), [&]<std::size_t I> { At<I>::write(std::get<I>(prepared), to); });
  }
  /// @param layer  without weights.
  static Prepared read(std::size_t form, const FoldedLayer& layer, PlanReader& from)
    requires(KeptForm<Forms> && ...)
  {
    std::optional<Prepared> made;
    with_form(form, [&]<std::size_t I> {
      made.emplace(std::in_place_index<I>, At<I>::read(layer, from));
    });
    return std::move(made).value();
  }

  /// The number of the form of a name; as many as there are forms if none has it.
  static std::size_t named(std::string_view name) {
    return static_cast<std::size_t>(std::find(kNames.begin(), kNames.end(), name) - kNames.begin());
  }

  /// What the forms cost, by convolution and form; infinite where one does not fit.
  /// @param measure  time those that the model cannot tell apart, `repeats` times at least.
  static std::vector<std::vector<double>> costs(const std::vector<FoldedLayer>& layers,
                                                bool measure, int repeats) {
    // Of layers of one shape, about as dense as each other, one is timed; the model scales its
    // costs to the others.
    using Kind = std::tuple<int, int, int, int, int, int, int, int, bool>;
    struct Known {
      double density, kernels;  // logarithms of the shares that are left
      std::vector<double> model, costs;
    };
    constexpr double kAbout = 0.12;
    std::map<Kind, std::vector<Known>> known;
    const auto log = [](double share) { return std::log(std::max(share, 1e-9)); };
    std::vector<std::vector<double>> all;
    for (const FoldedLayer& layer : layers) {
      const auto& c = layer.settings;
      auto& same = known[{c.size, c.stride, c.padding, c.groups, c.filters, layer.in.channels,
                          layer.in.height, layer.in.width, layer.range.has_value()}];
      const double density = log(layer.density()),
                   kernels = log(static_cast<double>(layer.kernels_left) * c.groups /
                                 (static_cast<double>(c.filters) * layer.in.channels));
      auto costs = model_of(layer);
      const auto near = std::ranges::find_if(same, [&](const Known& other) {
        return std::abs(other.density - density) < kAbout &&
               std::abs(other.kernels - kernels) < kAbout;
      });
      if (near != same.end()) {
        for (std::size_t f = 0; f < costs.size(); ++f)
          if (std::isfinite(costs[f])) costs[f] *= near->costs[f] / near->model[f];
      } else if (measure) {
        auto model = std::exchange(costs, timed(layer, costs, repeats));
        same.push_back({density, kernels, std::move(model), costs});
      }
      all.push_back(std::move(costs));
    }
    return all;
  }

 private:
  static constexpr double kNever = std::numeric_limits<double>::infinity();

  template <std::size_t I>
  using At = std::tuple_element_t<I, std::tuple<Forms...>>;

  /// Calls f<I>() for I = `form`.
  template <class F>
  static void with_form(std::size_t form, F&& f) {
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      ((form == I ? f.template operator()<I>() : void()), ...);
    }(std::index_sequence_for<Forms...>{});
  }

  /// What the forms cost by their model.
  static std::vector<double> model_of(const FoldedLayer& layer) {
    std::vector<double> model{(Forms::fits(layer) ? Forms::cost(layer) : kNever)...};
    require(*std::ranges::min_element(model) < kNever, "plan",
            "no form fits a convolution of {}×{} with stride {}", layer.settings.size,
            layer.settings.size, layer.settings.stride);
    return model;
  }

  /// The same by the clock, where the model leaves it in doubt.
  static std::vector<double> timed(const FoldedLayer& layer, const std::vector<double>& model,
                                   int repeats) {
    constexpr double kInDoubt = 2;  // times the least by the model
    const double least = *std::ranges::min_element(model);
    std::vector<std::size_t> doubtful;
    std::vector<double> expected;
    for (std::size_t f = 0; f < model.size(); ++f) {
      if (model[f] > kInDoubt * least) continue;
      doubtful.push_back(f);
      expected.push_back(model[f]);
    }
    if (doubtful.size() == 1) return model;

    std::vector<Prepared> prepared;
    for (const auto form : doubtful) prepared.push_back(prepare(form, layer));
    const auto numbers = [](const Shape& s) {
      return static_cast<std::size_t>(ConstMap{nullptr, s}.numbers());
    };
    const AlignedZeros<float> in(numbers(layer.in)), out(numbers(layer.out));
    std::fill_n(in.data, in.size, 1.0F);
    Timing timing;
    const auto take_turns = [&] {
      timing = time_in_turns(expected, repeats, [&](std::size_t i) {
        const auto layout = kLayouts[doubtful[i]];
        run(prepared[i], {ConstMap::dense(in.data, layer.in, layout),
                          Map::dense(out.data, layer.out, layout), Finish{.slope = 0.1F}});
      });
    };
    if constexpr (kAreWorkersForms)
      Team::gather(available_threads(), take_turns);  // as they will run
    else
      take_turns();
    std::vector<double> times(model.size(), 0);
    for (std::size_t i = 0; i < doubtful.size(); ++i) times[doubtful[i]] = timing.best[i];
    return settled_costs(model, times, timing.noise);
  }
};

}  // namespace serpette::deploy
