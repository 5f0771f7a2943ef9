#pragma once

#include <string_view>

#include "serpette/concepts/attack.hpp"

namespace serpette {

/// The identity: training on clean images only, evaluation on clean images only.
struct NoAttack {
  static constexpr std::string_view name = "None";
  static constexpr bool is_identity = true;

  [[nodiscard]] at::Tensor perturb(const Victim&, const at::Tensor& images, Generator&) const {
    return images;
  }
};

static_assert(Attack<NoAttack>);

}  // namespace serpette
