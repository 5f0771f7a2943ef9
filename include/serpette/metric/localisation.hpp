#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "serpette/core/box.hpp"
#include "serpette/core/coco.hpp"
#include "serpette/metric/coco_evaluation.hpp"

/// @file
/// What an attack breaks, the place of boxes or their names: two numbers that tell localisation and
/// classification apart.

namespace serpette {

/// COCO's numbers with classes ignored: every object and every detection is of one category. Where
/// a detector says two classes of one place, the surer detection stands for both (greedy
/// suppression, IoU 0.45), since one of them would count as wrong only for the class that is
/// ignored. Detections of categories that the annotations do not list count like others.
inline CocoSummary evaluate_without_classes(const Instances& truth,
                                            std::span<const Detection> detections,
                                            int threads = 0) {
  constexpr double kSamePlace = 0.45;
  Instances objects = truth;
  objects.categories = {{1, "object"}};
  for (auto& annotation : objects.annotations) annotation.category = 0;
  std::map<std::int64_t, std::vector<Detection>> by_image;
  for (const auto& d : detections) by_image[d.image_id].push_back(d);
  std::vector<Detection> kept;
  for (auto& [id, found] : by_image) {
    std::ranges::stable_sort(found, std::ranges::greater{}, &Detection::score);
    const auto first = kept.size();
    for (auto& d : found) {
      d.category = 0;
      const std::span<const Detection> before(kept.begin() + static_cast<std::ptrdiff_t>(first),
                                              kept.end());
      if (std::ranges::none_of(before,
                               [&](const auto& k) { return iou(k.box, d.box) > kSamePlace; }))
        kept.push_back(d);
    }
  }
  return evaluate(objects, kept, threads);
}

/// Objects that are found at their place, and under their name.
struct Placed {
  std::int64_t placed = 0;  ///< Objects with a detection of whatever class at their place.
  std::int64_t named = 0;   ///< Of these, those whose detection has their class.

  /// named / placed; −1 where nothing is placed, as COCO's numbers have it.
  [[nodiscard]] double share() const {
    return placed > 0 ? static_cast<double>(named) / static_cast<double>(placed) : -1;
  }
};

/// Matches the detections of each image, best first, each to the free object that it overlaps most,
/// whatever its class; crowds are left out.
/// @param confidence  detections at most as sure do not count.
/// @param overlap     least IoU of a match.
inline Placed placed_objects(const Instances& truth, std::span<const Detection> detections,
                             double confidence, double overlap = 0.5) {
  struct OfImage {
    std::vector<const CocoAnnotation*> objects{};
    std::vector<const Detection*> found{};
  };
  std::map<std::int64_t, OfImage> images;
  for (const auto& a : truth.annotations)
    if (!a.is_crowd) images[a.image_id].objects.push_back(&a);
  for (const auto& d : detections)
    if (d.score > confidence) images[d.image_id].found.push_back(&d);
  Placed result;
  for (auto& [id, image] : images) {
    std::ranges::stable_sort(image.found,
                             [](const auto* a, const auto* b) { return a->score > b->score; });
    for (const auto* d : image.found) {
      const auto shared = [&](const CocoAnnotation* a) { return iou(a->box, d->box); };
      const auto best = std::ranges::max_element(image.objects, {}, shared);
      if (best == image.objects.end() || shared(*best) < overlap) continue;
      ++result.placed;
      if ((*best)->category == d->category) ++result.named;
      image.objects.erase(best);
    }
  }
  return result;
}

}  // namespace serpette
