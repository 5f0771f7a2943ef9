#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string_view>
#include <type_traits>
#include <utility>

#include "serpette/deploy/form.hpp"
#include "serpette/deploy/forms/number.hpp"
#include "serpette/deploy/forms/own.hpp"
#include "serpette/deploy/sparse_convolution.hpp"
#include "serpette/deploy/workers.hpp"

namespace serpette::deploy {

/// The nonzero weights alone, one by one; in int8 four channels' at a time.
/// @tparam kShifted  sums move from one column of a kernel to the next, instead of the input being
///                   laid out once per column: a third of it for 3×3, for some lanes that compute
///                   nothing.
template <class Number, bool kShifted>
struct WeightsFormOf : OwnForm<SparseConvolutionOf<Number>, Layout::kPlanes> {
  static bool fits(const FoldedLayer& layer) {
    return may_multiply_in<Number>(layer) &&
           SparseConvolutionOf<Number>::fits(layer.settings, layer.in) &&
           (!kShifted || shifts_of(layer.settings, sparse_kernels_here<Number>(true).lanes) > 0);
  }

  /// Our multiply-adds, idle lanes' too, take about two and a quarter times as long as dense ones;
  /// somewhat less where more of the input is near. In int8 once and a half, of as many as there
  /// are lanes with a weight, and the input is rounded as well.
  static double cost(const FoldedLayer& layer) {
    const double weights =
        density(layer) * static_cast<double>(layer.weight.size()) / kTogether<Number>;
    const auto operations = static_cast<double>(SparseConvolutionOf<Number>::operations(
        layer.settings, layer.in, std::llround(weights), settings(layer)));
    const double share = kShifted ? 0.8 + 0.6 * std::min(density(layer), 0.5) : 1;
    constexpr bool kRounds = kTogether<Number> > 1;
    return (kRounds ? 1.5 : 2.25) * share * operations +
           (kRounds ? 5.0 * layer.in.channels * layer.in.height * layer.in.width : 0.0) + 5e4;
  }

  static typename WeightsFormOf::Prepared prepare(const FoldedLayer& layer) {
    SparseConvolutionOf<Number> convolution(layer.settings, layer.in, layer.weight.data(),
                                            layer.bias.data(), settings(layer),
                                            rounding_of<Number>(layer));
    const Workers workers(static_cast<double>(convolution.operations()));
    return {std::move(convolution), workers};
  }

 private:
  /// Of what a lane holds: expected of weights that are left by chance.
  static double density(const FoldedLayer& layer) {
    return 1 - std::pow(1 - layer.density(), kTogether<Number>);
  }

  static SparseSettings settings(const FoldedLayer& layer) {
    const Convolutional& c = layer.settings;
    const auto vectors = [&](const SparseKernels<Number>& kernels) {
      return SparseTiling(c, layer.in, kernels, kShifted).vectors();
    };
    const auto &wide = sparse_kernels_here<Number>(false),
               &narrow = sparse_kernels_here<Number>(true);
    SparseSettings settings;
    settings.shifted = kShifted;
    // As many vectors, each cheaper.
    settings.narrow = narrow.lanes < wide.lanes && vectors(narrow) <= vectors(wide);
    // The denser, the more often a packed value is read again, and the more a place in the nearest
    // cache is worth.
    const double copies = kShifted ? static_cast<double>(c.stride) / c.size : 1;
    const double least = std::is_same_v<Number, Int8> ? 32 : 48;
    const double kilobytes =
        std::clamp(5.0 * copies / std::max(density(layer), 1e-3), least, 384.0);
    settings.tile_bytes = static_cast<std::int64_t>(kilobytes) << 10;
    return settings;
  }
};

struct WeightsForm : WeightsFormOf<float, false> {
  static constexpr std::string_view name = "weights";
};
struct ShiftedWeightsForm : WeightsFormOf<float, true> {
  static constexpr std::string_view name = "shifted_weights";
};
struct WeightsInt8Form : WeightsFormOf<Int8, false> {
  static constexpr std::string_view name = "weights_int8";
};

}  // namespace serpette::deploy
