#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "serpette/deploy/form.hpp"
#include "serpette/deploy/forms/own.hpp"
#include "serpette/deploy/sparse_convolution.hpp"
#include "serpette/deploy/workers.hpp"

namespace serpette::deploy {

/// The nonzero weights alone, one by one.
struct WeightsForm : OwnForm<SparseConvolution, Layout::kPlanes> {
  static constexpr std::string_view name = "weights";

  static bool fits(const FoldedLayer&) { return true; }

  /// Our multiply-adds, idle lanes' too, take about two and a quarter times as long as dense ones.
  static double cost(const FoldedLayer& layer) {
    const auto operations = static_cast<double>(SparseConvolution::operations(
        layer.settings, layer.in, layer.weights_left, settings(layer)));
    return 2.25 * operations + 5e4;
  }

  static Prepared prepare(const FoldedLayer& layer) {
    SparseConvolution convolution(layer.settings, layer.in, layer.weight.data(), layer.bias.data(),
                                  settings(layer));
    const Workers workers(static_cast<double>(convolution.operations()));
    return {std::move(convolution), workers};
  }

 private:
  static SparseSettings settings(const FoldedLayer& layer) {
    const auto vectors = [&](int lanes) {
      return SparseTiling(layer.settings, layer.in, lanes).vectors();
    };
    const int wide = sparse_kernels_here(false).lanes, narrow = sparse_kernels_here(true).lanes;
    SparseSettings settings;
    // As many vectors, each cheaper.
    settings.narrow = narrow < wide && vectors(narrow) <= vectors(wide);
    // The denser, the more often a packed value is read again, and the more a place in the nearest
    // cache is worth.
    const double kilobytes = std::clamp(5.0 / std::max(layer.density(), 1e-3), 48.0, 384.0);
    settings.tile_bytes = static_cast<std::int64_t>(kilobytes) << 10;
    return settings;
  }
};

}  // namespace serpette::deploy
