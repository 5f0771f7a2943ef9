#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "serpette/core/coco.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/core/letterbox.hpp"
#include "serpette/core/seed.hpp"

namespace serpette {

/// Width and height of a shape. [pixels of the canvas]
struct ShapeSize {
  double width = 0, height = 0;
  [[nodiscard]] double area() const { return width * height; }
};

/// IoU of two shapes with one corner in common, in [0, 1].
inline double shape_iou(const ShapeSize& a, const ShapeSize& b) {
  const double overlap = std::min(a.width, b.width) * std::min(a.height, b.height);
  return overlap / (a.area() + b.area() - overlap);
}

/// Sizes of all boxes with an area as they are on a letterboxed canvas; crowds do not count.
inline std::vector<ShapeSize> box_sizes(const Instances& instances, int canvas_width,
                                        int canvas_height) {
  std::unordered_map<std::int64_t, const CocoImage*> images;
  for (const auto& image : instances.images) images.emplace(image.id, &image);
  std::vector<ShapeSize> sizes;
  for (const auto& a : instances.annotations) {
    const auto& image = *images.at(a.image_id);
    if (a.is_crowd || a.box.area() <= 0 || image.width <= 0 || image.height <= 0) continue;
    const auto fit = Letterbox::fit(image.width, image.height, canvas_width, canvas_height);
    const auto box = fit.to_canvas(a.box);
    sizes.push_back({box.width, box.height});
  }
  return sizes;
}

/// Mean over the boxes of the best shape IoU that an anchor has with each: how well anchors fit.
inline double mean_best_iou(std::span<const ShapeSize> boxes, std::span<const ShapeSize> anchors) {
  double sum = 0;
  for (const auto& box : boxes) {
    double best = 0;
    for (const auto& anchor : anchors) best = std::max(best, shape_iou(box, anchor));
    sum += best;
  }
  return boxes.empty() ? 0 : sum / static_cast<double>(boxes.size());
}

/// Anchors for boxes: k-means with the distance 1 − IoU, the best of several seeded starts, by area
/// ascending as cfg files have them. Source: Redmon and Farhadi 2017, sec. 2, Dimension Clusters.
/// @param count   anchors; at least 1.
/// @throws Error  if there are fewer different boxes than anchors.
inline std::vector<ShapeSize> cluster_anchors(std::vector<ShapeSize> boxes, int count, Seed seed) {
  require(count >= 1, "anchors", "should be at least 1, got {}", count);
  const auto k = static_cast<std::size_t>(count);
  constexpr std::size_t kMost = 20'000;  // boxes that centres are moved by; the fit hardly changes
  constexpr int kStarts = 5, kRounds = 100;
  Generator rng(seed.derive("anchors"));
  for (std::size_t i = 0; i < std::min(kMost, boxes.size()); ++i)
    std::swap(boxes[i], boxes[i + rng.below(boxes.size() - i)]);
  boxes.resize(std::min(kMost, boxes.size()));

  std::vector<ShapeSize> best;
  double best_fit = -1;
  for (int start = 0; start < kStarts; ++start) {
    // k-means++: each centre is a box, the more likely the worse those before it fit.
    std::vector<ShapeSize> centres;
    std::vector<double> distance(boxes.size(), 1);
    while (centres.size() < k) {
      double sum = 0;
      for (const double d : distance) sum += d * d;
      require(sum > 1e-12, "anchors",
              "should be at most as many as there are different boxes, got {} for {} boxes", count,
              boxes.size());
      double at = rng.uniform() * sum;
      std::size_t chosen = 0;
      for (std::size_t i = 0; i < boxes.size(); ++i)
        if (distance[i] > 0) {
          chosen = i;
          at -= distance[i] * distance[i];
          if (at < 0) break;
        }
      centres.push_back(boxes[chosen]);
      for (std::size_t i = 0; i < boxes.size(); ++i)
        distance[i] = std::min(distance[i], 1 - shape_iou(boxes[i], centres.back()));
    }
    std::vector<std::size_t> nearest(boxes.size(), k);
    for (int round = 0; round < kRounds; ++round) {
      bool moved = false;
      for (std::size_t i = 0; i < boxes.size(); ++i) {
        std::size_t mine = 0;
        for (std::size_t c = 1; c < k; ++c)
          if (shape_iou(boxes[i], centres[c]) > shape_iou(boxes[i], centres[mine])) mine = c;
        moved = moved || mine != nearest[i];
        nearest[i] = mine;
      }
      if (!moved) break;
      std::vector<ShapeSize> sum(k);
      std::vector<double> members(k);
      for (std::size_t i = 0; i < boxes.size(); ++i) {
        sum[nearest[i]].width += boxes[i].width;
        sum[nearest[i]].height += boxes[i].height;
        ++members[nearest[i]];
      }
      for (std::size_t c = 0; c < k; ++c)
        if (members[c] > 0) centres[c] = {sum[c].width / members[c], sum[c].height / members[c]};
    }
    if (const double fit = mean_best_iou(boxes, centres); fit > best_fit) {
      best_fit = fit;
      best = std::move(centres);
    }
  }
  std::ranges::sort(best, {}, &ShapeSize::area);
  return best;
}

}  // namespace serpette
