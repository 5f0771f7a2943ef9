#pragma once

#include <cmath>
#include <string_view>

#include "serpette/deploy/form.hpp"
#include "serpette/deploy/forms/own.hpp"
#include "serpette/deploy/winograd_convolution.hpp"
#include "serpette/deploy/winograd_tiles.hpp"
#include "serpette/deploy/workers.hpp"

namespace serpette::deploy {

/// Dense 3×3 with stride 1 by a quarter of the multiplications.
struct WinogradForm : OwnForm<WinogradConvolution, Layout::kChannelsLast> {
  static constexpr std::string_view name = "winograd";

  static bool fits(const FoldedLayer& layer) { return WinogradConvolution::fits(layer.settings); }

  /// Per tile the products in the transform domain and the transforms on both sides; and the
  /// transformed weights once through the cache, which is what small maps wait for.
  static double cost(const FoldedLayer& layer) {
    const double lanes = dense_kernels_here().lanes;
    const auto whole = [&](int channels) { return std::ceil(channels / lanes) * lanes; };
    const double in = whole(layer.in.channels), out = whole(layer.out.channels);
    const auto tiles = static_cast<double>(WinogradTiles(layer.out).count());
    return 36 * (tiles * (1.15 * in * out + 36 * (in + out)) + 6 * in * out) + 5e4;
  }

  static Prepared prepare(const FoldedLayer& layer) {
    return {WinogradConvolution(layer.settings, layer.in, layer.weight.data(), layer.bias.data()),
            Workers(layer.macs())};
  }
};

}  // namespace serpette::deploy
