#pragma once

#include <algorithm>

#include "serpette/core/box.hpp"

namespace serpette {

/// How an image lies on the network's canvas: scaled by one factor, centred, the rest grey.
/// Darknet's integer arithmetic; `to_image` inverts `to_canvas` exactly up to rounding of doubles.
struct Letterbox {
  int image_width = 0, image_height = 0;    ///< Original image [pixels].
  int canvas_width = 0, canvas_height = 0;  ///< Network input [pixels].
  int width = 0, height = 0;                ///< The scaled image on the canvas [pixels].
  int left = 0, top = 0;                    ///< Its place on the canvas [pixels].

  static Letterbox fit(int image_width, int image_height, int canvas_width, int canvas_height) {
    Letterbox l{image_width, image_height, canvas_width, canvas_height};
    if (long{canvas_width} * image_height < long{canvas_height} * image_width) {
      l.width = canvas_width;
      l.height = std::max(1, static_cast<int>(long{image_height} * canvas_width / image_width));
    } else {
      l.width = std::max(1, static_cast<int>(long{image_width} * canvas_height / image_height));
      l.height = canvas_height;
    }
    l.left = (canvas_width - l.width) / 2;
    l.top = (canvas_height - l.height) / 2;
    return l;
  }

  [[nodiscard]] Box to_canvas(const Box& b) const {
    const double sx = double(width) / image_width, sy = double(height) / image_height;
    return {b.x * sx + left, b.y * sy + top, b.width * sx, b.height * sy};
  }

  [[nodiscard]] Box to_image(const Box& b) const {
    const double sx = double(image_width) / width, sy = double(image_height) / height;
    return {(b.x - left) * sx, (b.y - top) * sy, b.width * sx, b.height * sy};
  }

  friend bool operator==(const Letterbox&, const Letterbox&) = default;
};

}  // namespace serpette
