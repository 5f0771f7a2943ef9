#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "serpette/deploy/amx_convolution.hpp"
#include "serpette/deploy/amx_steps.hpp"
#include "serpette/deploy/form.hpp"
#include "serpette/deploy/forms/number.hpp"
#include "serpette/deploy/forms/own.hpp"
#include "serpette/deploy/workers.hpp"

namespace serpette::deploy {

/// Our own dense convolution by AMX, in numbers of fewer bits.
template <class Number>
struct AmxFormOf : OwnForm<AmxConvolutionOf<Number>, Layout::kChannelsLast> {
  static bool fits(const FoldedLayer& layer) {
    return may_multiply_in<Number>(layer) && has_amx<Number>() &&
           AmxConvolutionOf<Number>::fits(layer.settings, layer.in);
  }

  /// The multiply-adds of whole tiles, what is made of their sums, and the numbers to be rounded.
  static double cost(const FoldedLayer& layer) {
    const auto whole = [](double count, double of) { return std::ceil(count / of) * of; };
    const double filters = whole(layer.out.channels, kAmxFilters),
                 cells = 1.0 * layer.out.height * layer.out.width;
    const AmxSteps<Number> steps(layer.settings, layer.in);
    const double speed = 4.5 * kTogether<Number>;  // over a dense convolution in float
    return share_left(layer) * cells * filters * static_cast<double>(steps.rows()) / speed +
           8 * filters * cells + 6.0 * layer.in.channels * layer.in.height * layer.in.width + 5e4;
  }

  static typename AmxFormOf::Prepared prepare(const FoldedLayer& layer) {
    return {AmxConvolutionOf<Number>(layer.settings, layer.in, layer.weight.data(),
                                     layer.bias.data(), rounding_of<Number>(layer)),
            Workers(layer.macs() / (4 * kTogether<Number>))};
  }

 private:
  /// Of the blocks of weights that a step multiplies: 32 filters and a chunk of channels at one
  /// cell of the kernel. Where channels do not fill chunks, all count as left.
  static double share_left(const FoldedLayer& layer) {
    constexpr std::int64_t kFilters = 2 * kAmxFilters, kChunk = AmxSteps<Number>::kChunk;
    const std::int64_t channels = layer.in.channels,
                       area = layer.settings.size * layer.settings.size;
    if (channels % kChunk != 0 || layer.density() > 0.97) return 1;
    const std::int64_t filters = layer.settings.filters;
    std::int64_t blocks = 0, left = 0;
    for (std::int64_t f = 0; f < filters; f += kFilters)
      for (std::int64_t c = 0; c < channels; c += kChunk)
        for (std::int64_t cell = 0; cell < area; ++cell, ++blocks) {
          const auto has_weight = [&] {
            for (auto i = f; i < std::min(f + kFilters, filters); ++i)
              for (auto j = c; j < c + kChunk; ++j)
                if (layer.weight[static_cast<std::size_t>((i * channels + j) * area + cell)] != 0)
                  return true;
            return false;
          };
          left += has_weight() ? 1 : 0;
        }
    return static_cast<double>(left) / static_cast<double>(blocks);
  }
};

struct AmxBFloat16Form : AmxFormOf<BFloat16> {
  static constexpr std::string_view name = "amx_bf16";
};
struct AmxInt8Form : AmxFormOf<Int8> {
  static constexpr std::string_view name = "amx_int8";
};

}  // namespace serpette::deploy
