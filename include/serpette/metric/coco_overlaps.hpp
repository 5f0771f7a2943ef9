#pragma once

/// @internal What COCO's evaluation and the worst case of an image match by.

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "serpette/core/box.hpp"
#include "serpette/core/coco.hpp"

namespace serpette::detail {

/// How far the detections of an image overlap its true boxes: IoU, of a crowd the part of the
/// detection (maskApi.c, bbIou). Overlap and quotient stand in loops of their own, so that no
/// compiler fuses the product into the difference.
class CocoOverlaps {
 public:
  void set(std::span<const CocoAnnotation* const> truth,
           std::span<const Detection* const> detections) {
    columns_ = truth.size();
    iou_.assign(truth.size() * detections.size(), 0.0);
    for (std::size_t d = 0, i = 0; d < detections.size(); ++d) {
      const Box& b = detections[d]->box;
      for (const auto* g : truth) {
        const double w = std::min(b.width + b.x, g->box.width + g->box.x) - std::max(b.x, g->box.x);
        const double h =
            std::min(b.height + b.y, g->box.height + g->box.y) - std::max(b.y, g->box.y);
        iou_[i++] = w <= 0 || h <= 0 ? 0.0 : w * h;
      }
    }
    truth_areas_.clear();
    for (const auto* g : truth) truth_areas_.push_back(g->box.area());
    detection_areas_.clear();
    for (const auto* d : detections) detection_areas_.push_back(d->box.area());
    for (std::size_t d = 0, i = 0; d < detections.size(); ++d)
      for (std::size_t g = 0; g < truth.size(); ++g, ++i)
        if (iou_[i] > 0)
          iou_[i] /= truth[g]->is_crowd ? detection_areas_[d]
                                        : detection_areas_[d] + truth_areas_[g] - iou_[i];
  }

  [[nodiscard]] double at(std::size_t detection, std::size_t truth) const {
    return iou_[detection * columns_ + truth];
  }

 private:
  std::size_t columns_ = 0;
  std::vector<double> iou_, truth_areas_, detection_areas_;  // kept between images
};

}  // namespace serpette::detail
