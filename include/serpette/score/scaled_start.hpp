#pragma once

#include <cmath>

#include "serpette/torch/operators.hpp"

namespace serpette {

/// HYDRA's scaled start of one layer:  s = √(6 / fan_in) · w / max|w|,  fan_in = C_in/groups · k_h
/// · k_w. A layer of zeros scores zero.
/// @param weight  [C_out, C_in / groups, k_h, k_w].
/// @return        like `weight` but in double, within ±√(6 / fan_in): in double no two different
/// weights tie, so
///                the start ranks exactly as |w| does.
/// Source: Sehwag et al. 2020 (HYDRA), sec. 3.1, eq. 7.
inline at::Tensor scaled_start(const at::Tensor& weight) {
  const auto fan_in = static_cast<double>(weight.numel()) / static_cast<double>(weight.size(0));
  const auto w = weight.to(at::kDouble);
  const auto largest = w.abs().max();
  return w * (std::sqrt(6.0 / fan_in) / largest.masked_fill(largest == 0, 1));
}

}  // namespace serpette
