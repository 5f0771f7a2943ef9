#pragma once

#include <string_view>

#include "serpette/concepts/color_mode.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/torch/operators.hpp"

namespace serpette {

/// Luma of ITU-R Rec. 601:  Y = 0.299 R + 0.587 G + 0.114 B,  repeated to the network's three
/// channels. An attack perturbs Y, so what the network reads stays grey. Idempotent up to rounding;
/// 0.5 grey stays 0.5.
struct GreyscaleRec601 {
  static constexpr std::string_view name = "Greyscale";
  static constexpr int channels = 1;

  /// @param rgb  [N, 3, H, W] in [0, 1].
  /// @return     [N, 1, H, W] in [0, 1].
  /// @throws Error  if there are not three channels.
  [[nodiscard]] at::Tensor encode(const at::Tensor& rgb) const {
    require(rgb.dim() == 4 && rgb.size(1) == 3, "greyscale",
            "images should be [N, 3, H, W], got {} channels", rgb.dim() == 4 ? rgb.size(1) : 0);
    const auto y =
        rgb.narrow(1, 0, 1) * 0.299 + rgb.narrow(1, 1, 1) * 0.587 + rgb.narrow(1, 2, 1) * 0.114;
    return y.clamp(0, 1);  // the three factors sum to 1 only up to rounding
  }

  /// @param encoded  [N, 1, H, W].
  /// @return         [N, 3, H, W] with equal channels; a view.
  [[nodiscard]] at::Tensor expand(const at::Tensor& encoded) const {
    return encoded.expand({-1, 3, -1, -1});
  }
};

static_assert(ColorMode<GreyscaleRec601>);

}  // namespace serpette
