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
template <class Number>
struct WinogradFormOf : OwnForm<WinogradConvolutionOf<Number>, Layout::kChannelsLast> {
  static bool fits(const FoldedLayer& layer) {
    return computes_in<Number>(layer.precision) &&
           WinogradConvolutionOf<Number>::fits(layer.settings);
  }

  /// Per tile the products in the transform domain and the transforms on both sides; and the
  /// transformed weights once through the cache, which is what small maps wait for.
  static double cost(const FoldedLayer& layer) {
    const double lanes = dense_kernels_here().lanes;
    const auto whole = [&](int channels) { return std::ceil(channels / lanes) * lanes; };
    const double in = whole(layer.in.channels), out = whole(layer.out.channels);
    const auto tiles = static_cast<double>(WinogradTiles(layer.out).count());
    const double product = kTogether<Number> > 1 ? 0.6 : 1.15;
    return 36 * (tiles * (product * in * out + 36 * (in + out)) +
                 6.0 / kTogether<Number> * in * out) +
           5e4;
  }

  static typename WinogradFormOf::Prepared prepare(const FoldedLayer& layer) {
    return {WinogradConvolutionOf<Number>(layer.settings, layer.in, layer.weight.data(),
                                          layer.bias.data()),
            Workers(layer.macs() / kTogether<Number>)};
  }
};

struct WinogradForm : WinogradFormOf<float> {
  static constexpr std::string_view name = "winograd";
};
struct WinogradBFloat16Form : WinogradFormOf<BFloat16> {
  static constexpr std::string_view name = "winograd_bf16";
};

}  // namespace serpette::deploy
