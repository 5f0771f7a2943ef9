#pragma once

#include <cmath>
#include <cstdint>
#include <string_view>

#include "serpette/deploy/direct_convolution.hpp"
#include "serpette/deploy/form.hpp"
#include "serpette/deploy/forms/number.hpp"
#include "serpette/deploy/forms/own.hpp"
#include "serpette/deploy/workers.hpp"

namespace serpette::deploy {

/// Our own dense convolution: a call costs next to nothing, and the residual is added in passing.
template <class Number>
struct DirectFormOf : OwnForm<DirectConvolutionOf<Number>, Layout::kChannelsLast> {
  static bool fits(const FoldedLayer& layer) {
    return may_multiply_in<Number>(layer) &&
           DirectConvolutionOf<Number>::fits(layer.settings, layer.in);
  }

  /// The multiply-adds of whole vectors, one row of pointers and sums per panel, and in fewer bits
  /// the numbers to be rounded.
  static double cost(const FoldedLayer& layer) {
    const double lanes = dense_kernels_here().lanes, filters = layer.out.channels;
    const double whole = std::ceil(filters / lanes) * lanes;
    const bool rounds = kTogether<Number> > 1;
    return layer.macs() * whole / filters / (0.05 + 0.95 * kTogether<Number>)+8 * whole *
               layer.out.height * layer.out.width +
           (rounds ? 6.0 * layer.in.channels * layer.in.height * layer.in.width : 0.0) + 5e4;
  }

  static typename DirectFormOf::Prepared prepare(const FoldedLayer& layer) {
    return {DirectConvolutionOf<Number>(layer.settings, layer.in, layer.weight.data(),
                                        layer.bias.data(), rounding_of<Number>(layer)),
            Workers(layer.macs() / kTogether<Number>)};
  }
};

struct DirectForm : DirectFormOf<float> {
  static constexpr std::string_view name = "direct";
};
struct DirectBFloat16Form : DirectFormOf<BFloat16> {
  static constexpr std::string_view name = "direct_bf16";
};
struct DirectInt8Form : DirectFormOf<Int8> {
  static constexpr std::string_view name = "direct_int8";
};

}  // namespace serpette::deploy
