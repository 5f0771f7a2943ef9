#pragma once

#include <string_view>
#include <utility>

#include "serpette/deploy/form.hpp"
#include "serpette/deploy/forms/own.hpp"
#include "serpette/deploy/kernel_winograd_convolution.hpp"
#include "serpette/deploy/workers.hpp"

namespace serpette::deploy {

/// 3×3 with stride 1 from the kernels alone that have a nonzero weight, by a quarter of their
/// multiplications.
struct KernelsForm : OwnForm<KernelWinogradConvolution, Layout::kPlanes> {
  static constexpr std::string_view name = "kernels";

  static bool fits(const FoldedLayer& layer) {
    return KernelWinogradConvolution::fits(layer.settings, layer.in);
  }

  /// Products in the transform domain, each with an operand to load, and the transforms on both
  /// sides.
  static double cost(const FoldedLayer& layer) {
    const auto points =
        static_cast<double>(36 * KernelWinogradConvolution::tile_lanes(layer.settings, layer.in));
    return points * (1.9 * static_cast<double>(layer.kernels_left) +
                     12.0 * (layer.in.channels + layer.out.channels)) +
           5e4;
  }

  static Prepared prepare(const FoldedLayer& layer) {
    KernelWinogradConvolution convolution(layer.settings, layer.in, layer.weight.data(),
                                          layer.bias.data());
    return {std::move(convolution), Workers(2.25 * static_cast<double>(layer.kernels_left) *
                                            layer.out.height * layer.out.width)};
  }
};

}  // namespace serpette::deploy
