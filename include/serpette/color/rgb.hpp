#pragma once

#include <string_view>

#include "serpette/concepts/color_mode.hpp"

namespace serpette {

/// Colour as decoded: the network and the attack see all three channels.
struct Rgb {
  static constexpr std::string_view name = "Colour";
  static constexpr int channels = 3;

  [[nodiscard]] at::Tensor encode(const at::Tensor& rgb) const { return rgb; }
  [[nodiscard]] at::Tensor expand(const at::Tensor& encoded) const { return encoded; }
};

static_assert(ColorMode<Rgb>);

}  // namespace serpette
