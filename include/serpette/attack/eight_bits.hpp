#pragma once

#include <ATen/ops/where.h>

#include "serpette/core/contract.hpp"
#include "serpette/torch/operators.hpp"

namespace serpette {

/// Attacked images in 8 bits, rounded towards the clean ones, so that the ball still holds: of the
/// two levels around an attacked value the one that is nearer to the clean value. Then
///
///   |q/255 − clean| ≤ max( |attacked − clean|, 1/510 ),
///
/// the second only where the clean value itself lies between two levels (letterboxing mixes
/// pixels). A value within 10⁻⁴ of a level is that level.
/// @param attacked, clean  [N, C, H, W] float in [0, 1].
/// @return                 uint8, same shape, on the same device.
inline at::Tensor eight_bits(const at::Tensor& attacked, const at::Tensor& clean) {
  require(attacked.sizes() == clean.sizes(), "eight bits",
          "should be given images of one shape, got {} and {} values", attacked.numel(),
          clean.numel());
  constexpr double kSame = 1e-4;
  const auto on_levels = [](const at::Tensor& images) {
    const auto value = images.to(at::kDouble) * 255;
    const auto level = value.round();
    return at::where((value - level).abs() < kSame, level, value);
  };
  const auto value = on_levels(attacked), origin = on_levels(clean);
  const auto down = value.floor(), up = value.ceil();
  const auto nearer = (down - origin).abs() <= (up - origin).abs();
  return at::where(nearer, down, up).clamp(0, 255).to(at::kByte);
}

}  // namespace serpette
