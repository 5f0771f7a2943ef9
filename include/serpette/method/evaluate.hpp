#pragma once

#include <ATen/Parallel.h>
#include <algorithm>
#include <cmath>
#include <iterator>
#include <span>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "serpette/concepts/dataset.hpp"
#include "serpette/concepts/observer.hpp"
#include "serpette/method/settings.hpp"
#include "serpette/method/view.hpp"
#include "serpette/method/within_memory.hpp"
#include "serpette/metric/coco_evaluation.hpp"

namespace serpette {

/// Confidence thresholds of the two output profiles.
inline constexpr double kPaperConfidence = 0.5, kStandardConfidence = 0.001;

/// The attack that leaves images alone: the clean half of every evaluation.
struct Unattacked {
  static constexpr std::string_view name = "None";
  static constexpr bool is_identity = true;

  [[nodiscard]] at::Tensor perturb(const Victim&, const at::Tensor& images, Generator&) const {
    return images;
  }
};

/// The ground truth of some images.
inline Instances only(const Instances& all, const std::unordered_set<std::int64_t>& ids) {
  Instances some{{}, {}, all.categories};
  std::ranges::copy_if(all.images, std::back_inserter(some.images),
                       [&](const CocoImage& image) { return ids.contains(image.id); });
  std::ranges::copy_if(all.annotations, std::back_inserter(some.annotations),
                       [&](const CocoAnnotation& a) { return ids.contains(a.image_id); });
  return some;
}

/// Detections of a data set at the standard profile, and COCO's numbers under both.
struct Evaluation {
  std::vector<Detection> detections;
  CocoSummary standard, paper;
  std::int64_t unreadable = 0;  ///< Images that were left out.
};

/// How many of a data set's images are evaluated.
template <Dataset Test>
std::int64_t evaluated_images(const Test& test, const EvaluateSettings& settings) {
  return settings.images > 0 ? std::min<std::int64_t>(settings.images, test.size()) : test.size();
}

/// The detections that the paper profile shows. Greedy suppression only ever acts from a higher
/// score on a lower one, so what the higher threshold would have given is exactly what lies above
/// it.
inline std::vector<Detection> above(std::span<const Detection> detections, double confidence) {
  std::vector<Detection> kept;
  std::ranges::copy_if(detections, std::back_inserter(kept),
                       [&](const Detection& d) { return d.score > confidence; });
  return kept;
}

/// COCO's numbers of detections under both profiles.
inline Evaluation evaluation_of(const Instances& truth, std::vector<Detection> detections) {
  Evaluation result;
  result.standard = serpette::evaluate(truth, detections, at::get_num_threads());
  result.paper =
      serpette::evaluate(truth, above(detections, kPaperConfidence), at::get_num_threads());
  result.detections = std::move(detections);
  return result;
}

/// Runs the detector over the first `settings.images` test images, each as `view` makes it, and
/// evaluates. Images that turn out unreadable count neither way.
/// @param network  what computes the heads: `forward(images)`; the detector itself decodes.
/// @param view     view(batch) → images as the network reads them.
/// @throws Error   if none is readable, or a batch does not fit into the device's memory.
template <Detector D, class Network, Dataset Test, class View, Observer O>
Evaluation evaluate_views(D& detector, Network& network, const Test& test, const View& view,
                          const EvaluateSettings& settings, at::Device device, O& observer) {
  torch::NoGradGuard no_grad;
  const auto count = evaluated_images(test, settings);
  std::vector<Detection> detections;
  std::unordered_set<std::int64_t> seen;
  detector.train(false);
  for (std::int64_t begin = 0; begin < count; begin += settings.batch_size) {
    std::vector<std::int64_t> indices;
    for (auto i = begin; i < std::min(count, begin + settings.batch_size); ++i)
      indices.push_back(i);
    auto batch = test.batch(indices);
    if (batch.size() == 0) continue;
    seen.insert(batch.image_ids.begin(), batch.image_ids.end());
    auto found = within_memory("evaluation", settings.batch_size, [&] {
      batch = batch.to(device);
      batch.images = view(batch);
      return detector.detections(network.forward(batch.images), batch, kStandardConfidence);
    });
    for (auto& of_image : found)
      std::move(of_image.begin(), of_image.end(), std::back_inserter(detections));
    notify::step(observer, begin + static_cast<std::int64_t>(indices.size()), std::nan(""));
  }
  require(!seen.empty(), "evaluation",
          "should have at least one readable test image, got none of {}", count);
  auto result = evaluation_of(only(test.instances(), seen), std::move(detections));
  result.unreadable = count - std::ssize(seen);
  return result;
}

/// The same, each image under `attack`.
template <Detector D, class Network, Dataset Test, Observer O>
Evaluation evaluate(D& detector, Network& network, const Test& test, const ErasedAttack& attack,
                    const ErasedColorMode& color, const EvaluateSettings& settings, Seed seed,
                    at::Device device, O& observer) {
  Generator rng(seed);
  return evaluate_views(
      detector, network, test,
      [&](const ImageBatch& batch) { return attacked_images(detector, batch, attack, color, rng); },
      settings, device, observer);
}

}  // namespace serpette
