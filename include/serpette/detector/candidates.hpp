#pragma once

/// @file
/// How raw heads become boxes, one image at a time. No LibTorch.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "serpette/core/box.hpp"
#include "serpette/core/letterbox.hpp"
#include "serpette/detector/decode_options.hpp"
#include "serpette/detector/nms.hpp"
#include "serpette/graph/graph.hpp"

namespace serpette {

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

/// What is left of an image's candidates behind class-wise suppression, best first.
inline std::vector<Detection> detections_of(const std::vector<Candidate>& candidates,
                                            std::int64_t image_id, const DecodeOptions& options) {
  std::vector<Detection> found;
  for (const auto& c : suppress(candidates, options.nms, options.limit))
    found.push_back({image_id, c.category, c.score, {c.x1, c.y1, c.x2 - c.x1, c.y2 - c.y1}});
  return found;
}

}  // namespace serpette
