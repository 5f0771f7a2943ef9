#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <utility>

#include "serpette/deploy/form.hpp"
#include "serpette/deploy/forms/own.hpp"
#include "serpette/deploy/sparse_convolution.hpp"
#include "serpette/deploy/workers.hpp"

namespace serpette::deploy {

/// The nonzero weights alone, one by one.
/// @tparam kShifted  sums move from one column of a kernel to the next, instead of the input being
///                   laid out once per column: a third of it for 3×3, for some lanes that compute
///                   nothing.
template <bool kShifted>
struct WeightsFormOf : OwnForm<SparseConvolution, Layout::kPlanes> {
  static bool fits(const FoldedLayer& layer) {
    return !kShifted || shifts_of(layer.settings, sparse_kernels_here(true).lanes) > 0;
  }

  /// Our multiply-adds, idle lanes' too, take about two and a quarter times as long as dense ones;
  /// somewhat less where more of the input is near.
  static double cost(const FoldedLayer& layer) {
    const auto operations = static_cast<double>(SparseConvolution::operations(
        layer.settings, layer.in, layer.weights_left, settings(layer)));
    const double share = kShifted ? 0.8 + 0.6 * std::min(layer.density(), 0.5) : 1;
    return 2.25 * share * operations + 5e4;
  }

  static Prepared prepare(const FoldedLayer& layer) {
    SparseConvolution convolution(layer.settings, layer.in, layer.weight.data(), layer.bias.data(),
                                  settings(layer));
    const Workers workers(static_cast<double>(convolution.operations()));
    return {std::move(convolution), workers};
  }

 private:
  static SparseSettings settings(const FoldedLayer& layer) {
    const Convolutional& c = layer.settings;
    const auto vectors = [&](int lanes) {
      return SparseTiling(c, layer.in, lanes, kShifted).vectors();
    };
    const int wide = sparse_kernels_here(false).lanes, narrow = sparse_kernels_here(true).lanes;
    SparseSettings settings;
    settings.shifted = kShifted;
    // As many vectors, each cheaper.
    settings.narrow = narrow < wide && vectors(narrow) <= vectors(wide);
    // The denser, the more often a packed value is read again, and the more a place in the nearest
    // cache is worth.
    const double copies = kShifted ? static_cast<double>(c.stride) / c.size : 1;
    const double kilobytes =
        std::clamp(5.0 * copies / std::max(layer.density(), 1e-3), 48.0, 384.0);
    settings.tile_bytes = static_cast<std::int64_t>(kilobytes) << 10;
    return settings;
  }
};

struct WeightsForm : WeightsFormOf<false> {
  static constexpr std::string_view name = "weights";
};
struct ShiftedWeightsForm : WeightsFormOf<true> {
  static constexpr std::string_view name = "shifted_weights";
};

}  // namespace serpette::deploy
