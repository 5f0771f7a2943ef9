#pragma once

/// @internal Weights in Winograd's transform domain.

#include <array>
#include <cstddef>

namespace serpette::deploy {

/// U = G w Gᵀ of one 3×3 kernel for F(4×4, 3×3), row by row, computed in double. The points are
/// those of the kernels' transforms: 0, ±√½, ±√2, ∞.
/// @param w  nine weights, row by row.
inline std::array<float, 36> winograd_weights(const float* w) {
  constexpr double q = 0.70710678118654752, r = 1.41421356237309505;
  constexpr std::array<std::array<double, 3>, 6> g{{{1, 0, 0},
                                                    {-1 / 1.5, -q / 1.5, -0.5 / 1.5},
                                                    {-1 / 1.5, q / 1.5, -0.5 / 1.5},
                                                    {1.0 / 6, r / 6, 2.0 / 6},
                                                    {1.0 / 6, -r / 6, 2.0 / 6},
                                                    {0, 0, 1}}};
  std::array<std::array<double, 3>, 6> rows;
  for (std::size_t i = 0; i < 6; ++i)
    for (std::size_t j = 0; j < 3; ++j)
      rows[i][j] = g[i][0] * w[j] + g[i][1] * w[3 + j] + g[i][2] * w[6 + j];
  std::array<float, 36> u;
  for (std::size_t i = 0; i < 6; ++i)
    for (std::size_t j = 0; j < 6; ++j)
      u[i * 6 + j] =
          static_cast<float>(rows[i][0] * g[j][0] + rows[i][1] * g[j][1] + rows[i][2] * g[j][2]);
  return u;
}

}  // namespace serpette::deploy
