#pragma once

#include <cmath>
#include <string_view>

#include "serpette/deploy/direct_convolution.hpp"
#include "serpette/deploy/form.hpp"
#include "serpette/deploy/forms/own.hpp"
#include "serpette/deploy/workers.hpp"

namespace serpette::deploy {

/// Our own dense convolution: a call costs next to nothing, and the residual is added in passing.
struct DirectForm : OwnForm<DirectConvolution, Layout::kChannelsLast> {
  static constexpr std::string_view name = "direct";

  static bool fits(const FoldedLayer& layer) { return DirectConvolution::fits(layer.settings); }

  /// The multiply-adds of whole vectors, and one row of pointers and sums per panel.
  static double cost(const FoldedLayer& layer) {
    const double lanes = dense_kernels_here().lanes, filters = layer.out.channels;
    const double whole = std::ceil(filters / lanes) * lanes;
    return layer.macs() * whole / filters + 8 * whole * layer.out.height * layer.out.width + 5e4;
  }

  static Prepared prepare(const FoldedLayer& layer) {
    return {DirectConvolution(layer.settings, layer.in, layer.weight.data(), layer.bias.data()),
            Workers(layer.macs())};
  }
};

}  // namespace serpette::deploy
