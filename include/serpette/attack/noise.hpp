#pragma once

#include <string_view>

#include "serpette/attack/ball.hpp"
#include "serpette/concepts/attack.hpp"

namespace serpette {

/// Random noise:  x ← Π_{[0,1]}( x + u ),  u uniform in [−ε, ε] for every pixel. No attack but a
/// yardstick: an attack that does no more harm than noise of its size has found nothing. Cost: no
/// pass. Source: Gilmer et al. 2019, sec. 4.
struct Noise {
  static constexpr std::string_view name = "Noise";

  double epsilon = 0.05;  ///< Largest change of a pixel [pixel value].

  static constexpr auto describe() {
    return settings(
        setting<&Noise::epsilon>("Largest change of a pixel [pixel value]", from_to(0, 1)));
  }

  /// @throws Error  if `images` leaves [0, 1] or epsilon is negative.
  [[nodiscard]] at::Tensor perturb(const Victim&, const at::Tensor& images, Generator& rng) const {
    return Ball(name, images, epsilon).sample(rng);
  }
};

static_assert(Attack<Noise>);

}  // namespace serpette
