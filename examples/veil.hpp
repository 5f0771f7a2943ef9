#pragma once

#include <serpette/concepts/attack.hpp>
#include <serpette/torch/ops.hpp>

// [attack]
/// A grey veil: every pixel moves towards 0.5. Looks at no gradient.
struct Veil {
  static constexpr std::string_view name = "Veil";
  double strength = 0.05;  ///< Largest change of a pixel, images in [0, 1].

  at::Tensor perturb(const serpette::Victim&, const at::Tensor& images,
                     serpette::Generator&) const {
    return images + (0.5 - images).clamp(-strength, strength);
  }

  /// Not needed; with it the setting has a name and an option, --attack-strength.
  static constexpr auto describe() {
    return serpette::settings(serpette::setting<&Veil::strength>(
        "Largest change of a pixel [pixel value]", serpette::from_to(0, 0.5)));
  }
};
static_assert(serpette::Attack<Veil>);
// [attack]
