#pragma once

#include <cstddef>

namespace serpette {

/// How raw heads become detections, darknet's and the paper's numbers as defaults.
struct DecodeOptions {
  double confidence = 0.001;  ///< A class counts where objectness × class probability exceeds it.
  double nms = 0.45;          ///< IoU above which the worse of two boxes of one class is dropped.
  std::size_t limit = 100;    ///< Detections per image, the best by score.
};

}  // namespace serpette
