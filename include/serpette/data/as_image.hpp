#pragma once

#include <algorithm>
#include <cstddef>

#include "serpette/core/contract.hpp"
#include "serpette/io/image.hpp"
#include "serpette/torch/tensor.hpp"

namespace serpette {

/// A tensor as a picture.
/// @param bytes   [3, H, W] uint8, any device.
/// @throws Error  if it is something else.
inline Image as_image(const at::Tensor& bytes) {
  require(bytes.dim() == 3 && bytes.size(0) == 3 && bytes.scalar_type() == at::kByte, "picture",
          "should be made of uint8 [3, H, W], got {} dimensions", bytes.dim());
  const auto pixels = bytes.permute({1, 2, 0}).to(at::kCPU).contiguous();
  Image image(static_cast<int>(pixels.size(1)), static_cast<int>(pixels.size(0)));
  std::copy_n(pixels.const_data_ptr<std::uint8_t>(), image.rgb.size(), image.rgb.begin());
  return image;
}

}  // namespace serpette
