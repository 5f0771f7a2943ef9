#pragma once

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
  std::vector<std::vector<Candidate>> candidates(static_cast<std::size_t>(images));
  std::int64_t offset = 0;
  for (std::size_t h = 0; h < heads.size(); ++h) {
    const auto& layer = graph[indices[h]];
    const Yolo& yolo = graph.head(indices[h]);
    const Shape& grid = layer.output;
    require(heads[h].sizes() == at::IntArrayRef({images, grid.channels, grid.height, grid.width}),
            "heads", "shape should be [{}, {}, {}, {}] as {}, got another", images, grid.channels,
            grid.height, grid.width, layer.name);
    auto logits = heads[h].detach().to(at::kCPU, at::kFloat);
    if (!logits.is_contiguous(at::MemoryFormat::ChannelsLast)) logits = logits.contiguous();
    const bool last = !logits.is_contiguous();
    const std::int64_t cells = std::int64_t{grid.height} * grid.width;
    for (std::int64_t n = 0; n < images; ++n)
      detail::add_candidates({logits.const_data_ptr<float>() + n * grid.channels * cells,
                              last ? 1 : cells, last ? grid.channels : 1},
                             yolo, grid, batch.geometry[static_cast<std::size_t>(n)],
                             options.confidence, offset, candidates[static_cast<std::size_t>(n)]);
    offset += static_cast<std::int64_t>(yolo.mask.size()) * grid.height * grid.width;
  }
  std::vector<std::vector<Detection>> found(candidates.size());
  for (std::size_t n = 0; n < candidates.size(); ++n)
    found[n] = detections_of(candidates[n], batch.image_ids[n], options);
  return found;
}

}  // namespace serpette
