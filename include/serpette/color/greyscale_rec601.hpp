#pragma once

#include <string_view>

#include "serpette/concepts/color_mode.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/torch/operators.hpp"

namespace serpette {

/// Luma of ITU-R Rec. 601:  Y = 0.299 R + 0.587 G + 0.114 B,  repeated to the network's three
/// channels. An attack perturbs Y, so what the network reads stays grey. Idempotent to the last
/// bit.
struct GreyscaleRec601 {
  static constexpr std::string_view name = "Greyscale";
  static constexpr int channels = 1;

  /// @param rgb  [N, 3, H, W] in [0, 1].
  /// @return     [N, 1, H, W] in [0, 1].
  /// @throws Error  if there are not three channels.
  [[nodiscard]] at::Tensor encode(const at::Tensor& rgb) const {
    require(rgb.dim() == 4 && rgb.size(1) == 3, "greyscale",
            "images should be [N, 3, H, W], got {} channels", rgb.dim() == 4 ? rgb.size(1) : 0);
    // From green, so that grey stays exactly the grey it is.
    const auto red = rgb.narrow(1, 0, 1), green = rgb.narrow(1, 1, 1), blue = rgb.narrow(1, 2, 1);
    return (green + (red - green) * 0.299 + (blue - green) * 0.114).clamp(0, 1);
  }

  /// @param encoded  [N, 1, H, W].
  /// @return         [N, 3, H, W] with equal channels; a view.
  [[nodiscard]] at::Tensor expand(const at::Tensor& encoded) const {
    return encoded.expand({-1, 3, -1, -1});
  }
};

static_assert(ColorMode<GreyscaleRec601>);

}  // namespace serpette
