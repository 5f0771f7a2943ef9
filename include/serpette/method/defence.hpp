#pragma once

#include <utility>

#include "serpette/concepts/attack.hpp"
#include "serpette/concepts/color_mode.hpp"
#include "serpette/concepts/objective.hpp"
#include "serpette/scenario/scenario.hpp"

namespace serpette {

/// How a network is hardened: what each step of training minimises, against which attack, in which
/// colours.
template <Objective Goal, Attack A, ColorMode Color>
struct Defence {
  Goal objective{};
  A attack{};
  Color color{};
  Teacher teacher{};  ///< The network before it was pruned, for objectives that learn from it.
};
template <class Goal, class A, class Color>
Defence(Goal, A, Color) -> Defence<Goal, A, Color>;
template <class Goal, class A, class Color>
Defence(Goal, A, Color, Teacher) -> Defence<Goal, A, Color>;

/// The scenario's.
template <AnyScenario S>
auto defence_of(const S& scenario, Teacher teacher = {}) {
  return Defence{objective_of(scenario), scenario.attack, scenario.color, std::move(teacher)};
}

}  // namespace serpette
