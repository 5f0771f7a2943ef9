#pragma once

#include <cstdint>
#include <vector>

#include "serpette/core/letterbox.hpp"
#include "serpette/torch/tensor.hpp"

namespace serpette {

/// The rows of ground truth that belong to images begin … end − 1, renumbered from 0; a copy.
/// @param truth  [M, 6] as in ImageBatch.
inline at::Tensor truth_rows(const at::Tensor& truth, std::int64_t begin, std::int64_t end) {
  const auto image = truth.select(1, 0);
  auto rows =
      truth.index_select(0, image.ge(begin).logical_and(image.lt(end)).nonzero().squeeze(1));
  rows.select(1, 0).sub_(begin);
  return rows;
}

/// Images as the network takes them, with what is known about each.
struct ImageBatch {
  at::Tensor images;  ///< [N, 3, H, W] float in [0, 1], RGB, letterboxed.

  /// Ground truth of all images, [M, 6] float: (image index in the batch, class, cx, cy, w, h),
  /// boxes as fractions of the canvas, rows ordered by image.
  at::Tensor truth;

  std::vector<std::int64_t> image_ids;  ///< [N] ids of the data set.
  std::vector<Letterbox> geometry;      ///< [N] where each image lies on the canvas.

  [[nodiscard]] std::int64_t size() const { return images.size(0); }

  [[nodiscard]] ImageBatch to(at::Device device) const {
    return {images.to(device), truth.to(device), image_ids, geometry};
  }

  /// Images begin … end − 1, their truth renumbered from 0; views of this batch where LibTorch
  /// allows.
  [[nodiscard]] ImageBatch slice(std::int64_t begin, std::int64_t end) const {
    return {images.slice(0, begin, end),
            truth_rows(truth, begin, end),
            {image_ids.begin() + begin, image_ids.begin() + end},
            {geometry.begin() + begin, geometry.begin() + end}};
  }
};

}  // namespace serpette
