#pragma once

/// @internal Weights in Winograd's transform domain.

#include <array>
#include <cstddef>
#include <span>

namespace serpette::deploy {

/// U = G w Gᵀ of some 3×3 kernels side by side for F(4×4, 3×3), row by row, computed in double. The
/// points are those of the kernels' transforms: 0, ±√½, ±√2, ∞.
class KernelTransform {
 public:
  static constexpr int kMost = 16;  ///< Kernels at a time.

  /// @param n  of kMost.
  /// @param w  nine weights, row by row.
  void set(int n, const float* w) {
    for (std::size_t i = 0; i < 9; ++i) weights_[i][static_cast<std::size_t>(n)] = w[i];
  }

  void run() {
    constexpr double q = 0.70710678118654752, r = 1.41421356237309505;
    constexpr std::array<std::array<double, 3>, 6> g{{{1, 0, 0},
                                                      {-1 / 1.5, -q / 1.5, -0.5 / 1.5},
                                                      {-1 / 1.5, q / 1.5, -0.5 / 1.5},
                                                      {1.0 / 6, r / 6, 2.0 / 6},
                                                      {1.0 / 6, -r / 6, 2.0 / 6},
                                                      {0, 0, 1}}};
    for (std::size_t i = 0; i < 6; ++i) {
      std::array<std::array<double, kMost>, 3> row;
      for (std::size_t j = 0; j < 3; ++j)
        for (std::size_t n = 0; n < kMost; ++n)
          row[j][n] = g[i][0] * weights_[j][n] + g[i][1] * weights_[3 + j][n] +
                      g[i][2] * weights_[6 + j][n];
      for (std::size_t j = 0; j < 6; ++j)
        for (std::size_t n = 0; n < kMost; ++n)
          points_[i * 6 + j][n] =
              static_cast<float>(row[0][n] * g[j][0] + row[1][n] * g[j][1] + row[2][n] * g[j][2]);
    }
  }

  /// The k-th of 36 numbers of every kernel.
  [[nodiscard]] std::span<const float, kMost> point(std::size_t k) const { return points_[k]; }

 private:
  std::array<std::array<double, kMost>, 9> weights_{};
  std::array<std::array<float, kMost>, 36> points_{};
};

}  // namespace serpette::deploy
