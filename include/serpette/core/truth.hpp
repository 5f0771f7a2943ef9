#pragma once

#include <ATen/ops/arange.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full.h>

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "serpette/core/box.hpp"
#include "serpette/torch/tensor.hpp"

namespace serpette {

/// The ground truth of some images of a batch, renumbered to their places among them.
/// @param truth  [M, 6] as in ImageBatch.
/// @param rows   [K] int64, ascending: indices of images.
inline at::Tensor truth_of_images(const at::Tensor& truth, const at::Tensor& rows) {
  if (truth.size(0) == 0 || rows.size(0) == 0) return truth.narrow(0, 0, 0);
  const auto image = truth.select(1, 0).to(at::kLong);
  const auto images = std::max(image.max().item<std::int64_t>(), rows.max().item<std::int64_t>());
  const auto place =
      at::full({images + 1}, -1, image.options())
          .index_copy(0, rows.to(image.device()), at::arange(rows.size(0), image.options()))
          .index_select(0, image);
  const auto kept = place.ge(0).nonzero().squeeze(1);
  auto some = truth.index_select(0, kept);
  some.select(1, 0).copy_(place.index_select(0, kept));
  return some;
}

/// Detections as truth: what an attack on a detector's own boxes is about.
/// @param detections     per image of the batch, boxes in pixels of the canvas.
/// @param width, height  of the canvas [pixels].
/// @return               [M, 6] float as in ImageBatch, on the CPU.
inline at::Tensor as_truth(std::span<const std::vector<Detection>> detections, int width,
                           int height) {
  std::vector<float> numbers;
  for (std::size_t n = 0; n < detections.size(); ++n)
    for (const auto& [id, category, score, box] : detections[n])
      for (const double v :
           {static_cast<double>(n), static_cast<double>(category), (box.x + box.width / 2) / width,
            (box.y + box.height / 2) / height, box.width / width, box.height / height})
        numbers.push_back(static_cast<float>(v));
  const auto rows = static_cast<std::int64_t>(numbers.size() / 6);
  return at::from_blob(numbers.data(), {rows, 6}, at::kFloat).clone();
}

}  // namespace serpette
