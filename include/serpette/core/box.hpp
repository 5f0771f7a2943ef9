#pragma once

#include <algorithm>
#include <cstdint>

namespace serpette {

/// An axis-aligned box as COCO writes it: top-left corner and size, in pixels of the original
/// image.
struct Box {
  double x = 0, y = 0, width = 0, height = 0;

  [[nodiscard]] double area() const { return width * height; }
  friend bool operator==(const Box&, const Box&) = default;
};

/// Intersection over union in [0, 1], on continuous coordinates (no "+1").
inline double iou(const Box& a, const Box& b) {
  const double w = std::min(a.x + a.width, b.x + b.width) - std::max(a.x, b.x);
  const double h = std::min(a.y + a.height, b.y + b.height) - std::max(a.y, b.y);
  const double overlap = std::max(w, 0.0) * std::max(h, 0.0);
  const double joint = a.area() + b.area() - overlap;
  return joint > 0 ? overlap / joint : 0.0;
}

/// One detected object.
struct Detection {
  std::int64_t image_id = 0;
  int category =
      0;  ///< Contiguous class index, 0-based; `Categories` translates to the data set's ids.
  double score = 0;  ///< Objectness × class probability, in [0, 1].
  Box box;           ///< Pixels of the original image.

  friend bool operator==(const Detection&, const Detection&) = default;
};

}  // namespace serpette
