#pragma once

#include <string>

#include "serpette/concepts/chosen_attack.hpp"
#include "serpette/metric/masked_gradients.hpp"

namespace serpette {

/// One attack of a suite at one strength.
struct Trial {
  std::string id;       ///< Names its files: letters, digits, `-` and `.`.
  ChosenAttack attack;  ///< Its label is what tables call it.
  Access access = Access::kGradient;
  int steps = 0;           ///< Of gradient.
  double passes = 0;       ///< Forward and backward passes an image costs at most; a forward pass
                           ///< alone is a third of one.
  bool for_curve = false;  ///< One of the strengths of a curve; no part of the worst case.
};

}  // namespace serpette
