#pragma once

#include <utility>

#include "serpette/concepts/erased.hpp"
#include "serpette/scenario/erased.hpp"

namespace serpette {

/// How a network is hardened: what each step of training minimises, against which attack, in which
/// colours: `Defence{PgdAdversarial{}, Pgd{}, Rgb{}}`.
struct Defence {
  ErasedObjective objective;
  ErasedAttack attack;
  ErasedColorMode color;
  Teacher teacher{};  ///< The network before it was pruned, for objectives that learn from it.
};

/// The scenario's.
inline Defence defence_of(const ErasedScenario& scenario, Teacher teacher = {}) {
  return {scenario.objective, scenario.attack, scenario.color, std::move(teacher)};
}

}  // namespace serpette
