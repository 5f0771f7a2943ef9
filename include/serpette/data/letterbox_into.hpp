#pragma once

/// @file
/// Pictures onto a network's canvas, as floats. No LibTorch.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "serpette/core/letterbox.hpp"
#include "serpette/data/bilinear.hpp"
#include "serpette/io/image.hpp"

namespace serpette {

/// The grey around a letterboxed picture.
inline constexpr float kLetterboxGrey = 0.5F;

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
/// @param rgb     rows of 8-bit RGB from the top, `pitch` bytes from one to the next.
/// @param writer  whose memory is used.
inline Letterbox letterbox_into(float* canvas, const std::uint8_t* rgb, std::ptrdiff_t pitch,
                                ImageSize size, int canvas_width, int canvas_height,
                                BilinearWriter& writer) {
  const auto geometry = Letterbox::fit(size.width, size.height, canvas_width, canvas_height);
  detail::fill_margins(canvas, geometry);
  writer.begin(canvas, canvas_width, canvas_height, size.width, size.height,
               detail::placement(geometry));
  for (int y = 0; y < size.height; ++y) writer.row(rgb + y * pitch);
  return geometry;
}
inline Letterbox letterbox_into(float* canvas, const std::uint8_t* rgb, std::ptrdiff_t pitch,
                                ImageSize size, int canvas_width, int canvas_height) {
  BilinearWriter writer;
  return letterbox_into(canvas, rgb, pitch, size, canvas_width, canvas_height, writer);
}
inline Letterbox letterbox_into(float* canvas, const Image& image, int canvas_width,
                                int canvas_height) {
  return letterbox_into(canvas, image.rgb.data(), std::ptrdiff_t{3} * image.width,
                        {image.width, image.height}, canvas_width, canvas_height);
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

}  // namespace serpette
