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
#include "serpette/deploy/stored_array.hpp"

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
    // Layers of one kind, as dense as each other up to 2 %, are timed once.
    using Kind = std::tuple<int, int, int, int, int, int, int, int, bool, int, int>;
    std::map<Kind, std::vector<double>> known;
    const auto log = [](double share) {
      return share > 0 ? static_cast<int>(std::lround(50 * std::log(share))) : -1000;
    };
    std::vector<std::vector<double>> all;
    for (const FoldedLayer& layer : layers) {
      const auto& c = layer.settings;
      const Kind kind{c.size,
                      c.stride,
                      c.padding,
                      c.groups,
                      c.filters,
                      layer.in.channels,
                      layer.in.height,
                      layer.in.width,
                      layer.range.has_value(),
                      log(layer.density()),
                      log(static_cast<double>(layer.kernels_left) / static_cast<double>(c.filters) /
                          static_cast<double>(layer.in.channels / c.groups))};
      auto found = known.find(kind);
      if (found == known.end()) found = known.emplace(kind, costs(layer, measure, repeats)).first;
      all.push_back(found->second);
    }
    return all;
  }

 private:
  template <std::size_t I>
  using At = std::tuple_element_t<I, std::tuple<Forms...>>;

  /// Calls f<I>() for I = `form`.
  template <class F>
  static void with_form(std::size_t form, F&& f) {
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      ((form == I ? f.template operator()<I>() : void()), ...);
    }(std::index_sequence_for<Forms...>{});
  }

  static std::vector<double> costs(const FoldedLayer& layer, bool measure, int repeats) {
    constexpr double kNever = std::numeric_limits<double>::infinity();
    std::vector<double> model{(Forms::fits(layer) ? Forms::cost(layer) : kNever)...};
    const double least = *std::ranges::min_element(model);
    require(least < kNever, "plan", "no form fits a convolution of {}×{} with stride {}",
            layer.settings.size, layer.settings.size, layer.settings.stride);
    constexpr double kInDoubt = 2.5;  // times the least by the model
    std::vector<std::size_t> doubtful;
    for (std::size_t f = 0; f < model.size(); ++f)
      if (model[f] <= kInDoubt * least) doubtful.push_back(f);
    if (!measure || doubtful.size() == 1) return model;

    std::vector<Prepared> prepared;
    for (const auto form : doubtful) prepared.push_back(prepare(form, layer));
    const auto numbers = [](const Shape& s) {
      return static_cast<std::size_t>(ConstMap{nullptr, s}.numbers());
    };
    const AlignedZeros<float> in(numbers(layer.in)), out(numbers(layer.out));
    std::fill_n(in.data, in.size, 1.0F);
    const auto timing = time_in_turns(doubtful.size(), repeats, [&](std::size_t i) {
      const auto layout = kLayouts[doubtful[i]];
      run(prepared[i], {ConstMap::dense(in.data, layer.in, layout),
                        Map::dense(out.data, layer.out, layout), Finish{.slope = 0.1F}});
    });
    std::vector<double> times(model.size(), 0);
    for (std::size_t i = 0; i < doubtful.size(); ++i) times[doubtful[i]] = timing.best[i];
    return settled_costs(model, times, timing.noise);
  }
};

}  // namespace serpette::deploy
