#pragma once

#include <ATen/ops/empty.h>

#include <filesystem>

#include "serpette/core/letterbox.hpp"
#include "serpette/data/letterbox_into.hpp"
#include "serpette/io/image.hpp"
#include "serpette/torch/tensor.hpp"

namespace serpette {

/// A picture as the network takes it.
struct Letterboxed {
  at::Tensor image;    ///< [3, H, W] float in [0, 1], RGB, grey around the picture.
  Letterbox geometry;  ///< Where it lies, for the way back.
};

/// A picture as network input.
inline Letterboxed letterbox(const Image& image, int canvas_width, int canvas_height) {
  auto tensor = at::empty({3, canvas_height, canvas_width}, at::kFloat);
  const auto geometry =
      letterbox_into(tensor.mutable_data_ptr<float>(), image, canvas_width, canvas_height);
  return {tensor, geometry};
}

/// A picture's file as network input; equals letterbox(read_image(path), …) at less cost.
/// @throws Error  as read_image.
inline Letterboxed read_letterboxed(const std::filesystem::path& path, int canvas_width,
                                    int canvas_height) {
  auto tensor = at::empty({3, canvas_height, canvas_width}, at::kFloat);
  const auto bytes = read_file(path);
  const auto geometry = letterbox_into(tensor.mutable_data_ptr<float>(), bytes, path.string(),
                                       canvas_width, canvas_height);
  return {tensor, geometry};
}

}  // namespace serpette
