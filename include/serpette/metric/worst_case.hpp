#pragma once

#include <range/v3/view/enumerate.hpp>
#include <range/v3/view/zip.hpp>

#include <algorithm>
#include <compare>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "serpette/core/coco.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/metric/coco_overlaps.hpp"

namespace serpette {

/// How an image fared: less is worse.
struct ImageResult {
  int found = 0;    ///< True boxes with a detection of their class.
  int surplus = 0;  ///< −1 for every detection that stands for no true box.

  friend auto operator<=>(const ImageResult&, const ImageResult&) = default;
};

/// Matches the detections of one image, best first, each to the true box of its class that it
/// overlaps most and that is still free. Crowds count neither way: what lies in one by `overlap` of
/// itself stands for no box and is none too many.
/// @param confidence  detections at most as sure do not count.
/// @param overlap     least IoU of a match.
inline ImageResult result_of_image(std::span<const CocoAnnotation> truth,
                                   std::span<const Detection> detections, double confidence = 0.5,
                                   double overlap = 0.5) {
  std::vector<const Detection*> order;
  for (const auto& one : detections)
    if (one.score > confidence) order.push_back(&one);
  std::ranges::stable_sort(order, [](const auto* a, const auto* b) { return a->score > b->score; });
  std::vector<const CocoAnnotation*> boxes;
  for (const auto& one : truth) boxes.push_back(&one);
  detail::CocoOverlaps overlaps;
  overlaps.set(boxes, order);
  std::vector<bool> taken(truth.size(), false);
  ImageResult result;
  for (std::size_t d = 0; d < order.size(); ++d) {
    std::size_t best = truth.size();
    double most = overlap;
    bool in_crowd = false;
    for (std::size_t t = 0; t < truth.size(); ++t) {
      const double shared = truth[t].category == order[d]->category ? overlaps.at(d, t) : 0;
      if (truth[t].is_crowd) in_crowd = in_crowd || shared >= overlap;
      if (truth[t].is_crowd || taken[t] || shared < most) continue;
      most = shared;
      best = t;
    }
    if (best < truth.size()) {
      taken[best] = true;
      ++result.found;
    } else if (!in_crowd) {
      --result.surplus;
    }
  }
  return result;
}

/// The worst case per image over a suite: of every image the attack under which fewest true boxes
/// are found (IoU 0.5, right class), among those the one with most boxes that stand for nothing,
/// among equals the first of the suite.
/// @param suites      detections of the same images under each attack.
/// @param confidence  as in `result_of_image`.
/// @return        by image id: index of the attack.
/// @throws Error  if there is no attack.
inline std::map<std::int64_t, std::size_t> worst_attack_of_images(
    const Instances& truth, std::span<const std::vector<Detection>> suites,
    double confidence = 0.5) {
  require(!suites.empty(), "worst case", "should be over at least one attack, got none");
  std::map<std::int64_t, std::vector<CocoAnnotation>> boxes;
  for (const auto& annotation : truth.annotations) boxes[annotation.image_id].push_back(annotation);
  std::vector<std::map<std::int64_t, std::vector<Detection>>> found(suites.size());
  for (auto&& [of_images, suite] : ranges::views::zip(found, suites))
    for (const auto& one : suite) of_images[one.image_id].push_back(one);
  std::map<std::int64_t, std::size_t> worst;
  for (const auto& image : truth.images) {
    const auto under = [&](std::size_t a) {
      return result_of_image(boxes[image.id], found[a][image.id], confidence);
    };
    std::size_t best = 0;
    for (std::size_t a = 1; a < suites.size(); ++a)
      if (under(a) < under(best)) best = a;
    worst[image.id] = best;
  }
  return worst;
}

/// Of every image the detections under its worst attack: what a worst-case average precision is
/// taken of.
inline std::vector<Detection> worst_detections(const std::map<std::int64_t, std::size_t>& worst,
                                               std::span<const std::vector<Detection>> suites) {
  std::vector<Detection> chosen;
  for (auto&& [a, suite] : ranges::views::enumerate(suites))
    for (const auto& one : suite)
      if (const auto image = worst.find(one.image_id); image != worst.end() && image->second == a)
        chosen.push_back(one);
  return chosen;
}

}  // namespace serpette
