#pragma once

#include <range/v3/view/zip.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "serpette/core/box.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/core/image_batch.hpp"
#include "serpette/detector/candidates.hpp"
#include "serpette/detector/nms.hpp"
#include "serpette/graph/graph.hpp"
#include "serpette/torch/tensor.hpp"

namespace serpette {

/// Detections of every image from the network's raw heads, in pixels of the original images, best
/// first.
///
/// (cx, cy) = (c(tx) + column, c(ty) + row) / grid,  c(t) = s·σ(t) − (s − 1)/2 with the head's
/// `scale_x_y` s,  (w, h) = anchor · exp(tw, th), or anchor · (2σ(tw, th))² with `new_coords`,
/// score = σ(objectness)·σ(class); every class above the confidence counts (multi-label), boxes are
/// clipped to the image, then `suppress`. Detections at a higher confidence are those of a lower
/// one above it, since greedy suppression never lets a worse box drop a better one: one forward and
/// one decode serve both profiles.
/// @param heads  [N, A·(5 + C), h, w] each, any device and memory format, in the order of
/// `graph.heads()`.
/// @throws Error  if heads, geometry and graph do not belong together.
inline std::vector<std::vector<Detection>> decode(const Graph& graph,
                                                  const std::vector<at::Tensor>& heads,
                                                  const ImageBatch& batch,
                                                  const DecodeOptions& options = {}) {
  const auto indices = graph.heads();
  require(heads.size() == indices.size(), "heads", "should be {} as the network has, got {}",
          indices.size(), heads.size());
  const auto images = heads.empty() ? 0 : heads.front().size(0);
  require(static_cast<std::int64_t>(batch.geometry.size()) == images &&
              static_cast<std::int64_t>(batch.image_ids.size()) == images,
          "batch", "should hold the geometry and ids of {} images, got {} and {}", images,
          batch.geometry.size(), batch.image_ids.size());
  std::vector<at::Tensor> logits;
  for (auto&& [head, index] : ranges::views::zip(heads, indices)) {
    const auto& layer = graph[index];
    const Shape& grid = layer.output;
    require(head.sizes() == at::IntArrayRef({images, grid.channels, grid.height, grid.width}),
            "heads", "shape should be [{}, {}, {}, {}] as {}, got another", images, grid.channels,
            grid.height, grid.width, layer.name);
    auto& here = logits.emplace_back(head.detach().to(at::kCPU, at::kFloat));
    if (!here.is_contiguous(at::MemoryFormat::ChannelsLast)) here = here.contiguous();
  }
  std::vector<std::vector<Detection>> found;
  thread_local Candidates candidates;  // for its buffers
  for (std::size_t n = 0; n < batch.geometry.size(); ++n) {
    candidates.begin(options.confidence);
    for (std::size_t h = 0; h < heads.size(); ++h) {
      const Shape& grid = graph[indices[h]].output;
      const std::int64_t cells = std::int64_t{grid.height} * grid.width;
      const bool last = !logits[h].is_contiguous();
      const auto* data =
          logits[h].const_data_ptr<float>() + static_cast<std::int64_t>(n) * grid.channels * cells;
      candidates.add({data, last ? 1 : cells, last ? grid.channels : 1}, graph.head(indices[h]),
                     grid);
    }
    found.push_back(
        candidates.best(batch.geometry[n], batch.image_ids[n], options.nms, options.limit));
  }
  return found;
}

}  // namespace serpette
