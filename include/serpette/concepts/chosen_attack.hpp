#pragma once

#include <string>
#include <string_view>

#include "serpette/concepts/erased.hpp"

namespace serpette {

/// An attack that was chosen when the program runs, and what is to be told of it.
struct ChosenAttack {
  std::string label;     ///< What tables call it.
  std::string settings;  ///< Name and all settings: what results are kept under.
  ErasedAttack attack;

  /// @param label  the attack's own name unless it is given.
  template <Attack A>
  [[nodiscard]] static ChosenAttack of(const A& attack, std::string_view label = A::name) {
    return {std::string(label), settings_text(attack), attack};
  }

  [[nodiscard]] double epsilon() const { return attack.epsilon; }
};

}  // namespace serpette
