#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "serpette/core/box.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/core/image_batch.hpp"
#include "serpette/core/letterbox.hpp"
#include "serpette/detector/nms.hpp"
#include "serpette/graph/graph.hpp"
#include "serpette/torch/tensor.hpp"

namespace serpette {

/// How raw heads become detections, darknet's and the paper's numbers as defaults.
struct DecodeOptions {
  double confidence = 0.001;  ///< A class counts where objectness × class probability exceeds it.
  double nms = 0.45;          ///< IoU above which the worse of two boxes of one class is dropped.
  std::size_t limit = 100;    ///< Detections per image, the best by score.
};

namespace detail {

inline double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

/// How many times its anchor a box is wide or high, by the head's logit of it.
inline double growth(const Yolo& head, double logit) {
  return head.new_coords ? 4 * sigmoid(logit) * sigmoid(logit) : std::exp(logit);
}

/// Logit below which sigmoid(x) ≤ p for certain: a little low, so that the exact test decides.
inline double logit_floor(double p) {
  if (p <= 0) return -INFINITY;
  if (p >= 1) return INFINITY;
  return std::log(p / (1 - p)) - 1e-9;
}

/// One head's logits of one image, [A·(5 + C), h·w], planar or channels-last.
struct HeadLogits {
  const float* data;
  std::int64_t channel_stride, cell_stride;

  [[nodiscard]] const float* at(std::int64_t channel, std::int64_t cell) const {
    return data + channel * channel_stride + cell * cell_stride;
  }
};

/// Adds every (prediction, class) of one head and image whose score exceeds the confidence. Most
/// cells hold nothing, and of the others most classes do not: logits are compared in the order in
/// which they lie in memory, and only what may pass is computed.
/// @param index  number of predictions of the heads before this one.
inline void add_candidates(const HeadLogits& logits, const Yolo& head, const Shape& grid,
                           const Letterbox& geometry, double confidence, std::int64_t index,
                           std::vector<Candidate>& candidates) {
  struct Cell {
    std::int64_t cell;
    double objectness;
    float class_floor;  ///< A class logit below it fails for certain.
    bool placed = false;
    Candidate candidate{};
  };
  const std::int64_t cells = std::int64_t{grid.height} * grid.width;
  const double objectness_floor = logit_floor(confidence);
  const double sx = double(geometry.image_width) / geometry.width,
               sy = double(geometry.image_height) / geometry.height;
  const auto to_x = [&](double x) {
    return std::clamp((x - geometry.left) * sx, 0.0, double(geometry.image_width));
  };
  const auto to_y = [&](double y) {
    return std::clamp((y - geometry.top) * sy, 0.0, double(geometry.image_height));
  };
  std::vector<Cell> open;
  std::int64_t first = 0;  // channel of the anchor
  for (const int anchor : head.mask) {
    const auto [anchor_w, anchor_h] = head.anchors[static_cast<std::size_t>(anchor)];
    open.clear();
    for (std::int64_t cell = 0; cell < cells; ++cell) {
      const float logit = *logits.at(first + 4, cell);
      if (!(logit > objectness_floor)) continue;
      const double objectness = sigmoid(logit);
      const auto floor = static_cast<float>(logit_floor(confidence / objectness));
      open.push_back({cell, objectness, std::nextafter(floor, -INFINITY)});
    }
    const auto box = [&, anchor_w = anchor_w, anchor_h = anchor_h](Cell& c) {
      const auto value = [&](int channel) { return double(*logits.at(first + channel, c.cell)); };
      const double scale = head.scale_x_y;
      const auto centre = [&](int channel) {
        return scale * sigmoid(value(channel)) - (scale - 1) / 2;
      };
      const double cx =
          (centre(0) + double(c.cell % grid.width)) / grid.width * geometry.canvas_width;
      const double cy =
          (centre(1) + double(c.cell / grid.width)) / grid.height * geometry.canvas_height;
      const double w = growth(head, value(2)) * anchor_w, h = growth(head, value(3)) * anchor_h;
      c.placed = true;
      c.candidate = {.index = index + c.cell,
                     .x1 = to_x(cx - w / 2),
                     .y1 = to_y(cy - h / 2),
                     .x2 = to_x(cx + w / 2),
                     .y2 = to_y(cy + h / 2)};
      if (std::isnan(cx + cy) || std::isnan(w) || std::isnan(h)) c.class_floor = INFINITY;
    };
    const auto take = [&](Cell& c, int k, float logit) {
      const double score = c.objectness * sigmoid(logit);
      if (!(score > confidence)) return;
      if (!c.placed) box(c);
      if (c.class_floor == INFINITY) return;  // no box
      c.candidate.score = score;
      c.candidate.category = k;
      candidates.push_back(c.candidate);
    };
    if (logits.channel_stride == 1) {
      constexpr int kBlock = 16;  // compared at once
      for (auto& c : open) {
        const float* classes = logits.at(first + 5, c.cell);
        int k = 0;
        for (; k + kBlock <= head.classes; k += kBlock) {
          int above = 0;
          for (int j = 0; j < kBlock; ++j) above |= classes[k + j] > c.class_floor;
          if (above == 0) continue;
          for (int j = k; j < k + kBlock; ++j)
            if (classes[j] > c.class_floor) take(c, j, classes[j]);
        }
        for (; k < head.classes; ++k)
          if (classes[k] > c.class_floor) take(c, k, classes[k]);
      }
    } else {
      for (int k = 0; k < head.classes; ++k)
        for (auto& c : open)
          if (const float logit = *logits.at(first + 5 + k, c.cell); logit > c.class_floor)
            take(c, k, logit);
    }
    first += 5 + head.classes;
    index += cells;
  }
}

}  // namespace detail

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
    for (const auto& c : suppress(candidates[n], options.nms, options.limit))
      found[n].push_back(
          {batch.image_ids[n], c.category, c.score, {c.x1, c.y1, c.x2 - c.x1, c.y2 - c.y1}});
  return found;
}

}  // namespace serpette
