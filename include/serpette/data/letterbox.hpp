#pragma once

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>

#include "serpette/core/letterbox.hpp"
#include "serpette/data/bilinear.hpp"
#include "serpette/io/image.hpp"
#include "serpette/torch/tensor.hpp"

namespace serpette {

/// The grey around a letterboxed picture.
inline constexpr float kLetterboxGrey = 0.5F;

/// A picture as the network takes it.
struct Letterboxed {
  at::Tensor image;    ///< [3, H, W] float in [0, 1], RGB, grey around the picture.
  Letterbox geometry;  ///< Where it lies, for the way back.
};

namespace detail {

/// All of a letterboxed picture, clipped by nothing.
inline Placement placement(const Letterbox& l) {
  return {l.left, l.top, l.width, l.height, false, 0, 0, l.canvas_width, l.canvas_height};
}

/// Grey on what the picture leaves free.
inline void fill_margins(float* canvas, const Letterbox& l) {
  const auto width = std::size_t(l.canvas_width);
  for (int c = 0; c < 3; ++c)
    for (int y = 0; y < l.canvas_height; ++y, canvas += width) {
      const bool beside = y >= l.top && y < l.top + l.height;
      std::fill(canvas, canvas + (beside ? std::size_t(l.left) : width), kLetterboxGrey);
      if (beside) std::fill(canvas + l.left + l.width, canvas + width, kLetterboxGrey);
    }
}

}  // namespace detail

/// Scales a picture to fit the canvas (core/letterbox.hpp), bilinear on floats with half-pixel
/// centres.
/// @param canvas  [3, canvas_height, canvas_width] floats, overwritten.
inline Letterbox letterbox_into(float* canvas, const Image& image, int canvas_width,
                                int canvas_height) {
  const auto geometry = Letterbox::fit(image.width, image.height, canvas_width, canvas_height);
  detail::fill_margins(canvas, geometry);
  BilinearWriter writer(canvas, canvas_width, canvas_height, image.width, image.height,
                        detail::placement(geometry));
  for (int y = 0; y < image.height; ++y) writer.row(image.at(0, y));
  return geometry;
}

/// The same from a picture's file in memory, without holding the picture in between.
/// @param place      how errors call the picture.
/// @param annotated  as in stream_image.
/// @throws DamagedImage  as stream_image; the canvas is then undefined.
inline Letterbox letterbox_into(float* canvas, std::string_view file, std::string_view place,
                                int canvas_width, int canvas_height, ImageSize annotated = {}) {
  Letterbox geometry;
  std::optional<BilinearWriter> writer;
  stream_image(
      file, place,
      [&](int width, int height) {
        geometry = Letterbox::fit(width, height, canvas_width, canvas_height);
        detail::fill_margins(canvas, geometry);
        writer.emplace(canvas, canvas_width, canvas_height, width, height,
                       detail::placement(geometry));
      },
      [&](const std::uint8_t* row) { writer->row(row); }, annotated);
  return geometry;
}

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
