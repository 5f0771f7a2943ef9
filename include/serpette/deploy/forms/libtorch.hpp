#pragma once

#include <string_view>
#include <utility>

#include "serpette/deploy/form.hpp"
#include "serpette/deploy/plan_archive.hpp"
#include "serpette/deploy/stored_network.hpp"
#include "serpette/nn/frozen.hpp"

namespace serpette::deploy {

/// LibTorch's convolution, oneDNN's with bias and activation fused where this LibTorch has it.
struct LibTorchForm {
  static constexpr std::string_view name = "libtorch";
  static constexpr Layout layout = Layout::kChannelsLast;
  static constexpr bool allocates = true, adds_residual = false;

  struct Prepared {
    Convolutional settings;
    at::Tensor weight, bias;
    at::Tensor packed;  ///< Defined where the fused convolution is used.
  };

  static bool fits(const FoldedLayer&) { return true; }

  /// Its multiply-adds, and those that it would do in the 20 µs that a call takes besides.
  static double cost(const FoldedLayer& layer) { return layer.macs() + 2e6; }

  static Prepared prepare(const FoldedLayer& layer) {
    const auto* fused = serpette::detail::FusedConvolution::get();
    const auto weight = layer.weight.contiguous(at::MemoryFormat::ChannelsLast);
    return {layer.settings, weight, layer.bias,
            fused ? fused->pack(weight, layer.settings, layer.in) : at::Tensor()};
  }

  static void write(const Prepared& p, PlanWriter& to) {
    write_tensor(p.weight, to);
    write_tensor(p.bias, to);
  }
  static Prepared read(const FoldedLayer& layer, PlanReader& from) {
    const auto& c = layer.settings;
    FoldedLayer whole = layer;
    whole.weight = read_tensor({c.filters, layer.in.channels / c.groups, c.size, c.size}, from);
    whole.bias = read_tensor({c.filters}, from);
    return prepare(whole);
  }

  static at::Tensor run(const Prepared& p, const FormInput& input) {
    return serpette::detail::FrozenConvolution::run(input.x, p.weight, p.bias, p.packed,
                                                    p.settings);
  }
};

}  // namespace serpette::deploy
