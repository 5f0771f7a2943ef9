#pragma once

#include <string>

#include "serpette/concepts/attack.hpp"
#include "serpette/concepts/color_mode.hpp"
#include "serpette/concepts/prune_granularity.hpp"
#include "serpette/concepts/score_init.hpp"
#include "serpette/core/settings.hpp"

namespace serpette {

/// An experimental scenario: the four policies as one value. `Scenario<Hydra, Filter, Pgd, Rgb>{}`
/// has the papers' settings; `{.attack = {.epsilon = 4.0 / 255}}` is another configuration of the
/// same type.
template <ScoreInit Score, PruneGranularity Granularity, Attack AttackPolicy, ColorMode Color>
struct Scenario {
  using score_type = Score;
  using granularity_type = Granularity;
  using attack_type = AttackPolicy;
  using color_type = Color;

  Score score{};
  Granularity granularity{};
  AttackPolicy attack{};
  Color color{};

  static constexpr auto describe() {
    return settings(part<&Scenario::score>("score"), part<&Scenario::granularity>("granularity"),
                    part<&Scenario::attack>("attack"), part<&Scenario::color>("color"));
  }
};

namespace detail {
template <class T>
inline constexpr bool is_scenario = false;
template <class S, class G, class A, class C>
inline constexpr bool is_scenario<Scenario<S, G, A, C>> = true;
}  // namespace detail

/// Any instantiation of Scenario.
template <class T>
concept AnyScenario = detail::is_scenario<T>;

}  // namespace serpette
