#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "serpette/method/evaluate.hpp"
#include "serpette/method/trial.hpp"
#include "serpette/metric/masked_gradients.hpp"
#include "serpette/metric/stopwatch.hpp"
#include "serpette/metric/worst_case.hpp"

namespace serpette {

/// What one of them left of the detector.
struct TrialResult {
  Evaluation evaluation;
  double max_abs = 0;  ///< Largest change of a value of an encoded image (attacked_encoding).
  double mean_l2 = 0;  ///< Mean Euclidean length of the perturbations of encoded images.
  double seconds = 0;  ///< To make them and look at what is found.
};

/// Evaluates the test images under one attack.
/// @param attacked  the detector whose gradient the attack follows: the same, or (transfer) another
///                  that reads images of the same size.
/// @param network   as in `evaluate`.
template <Detector D, class Network, Dataset Test, Observer O>
TrialResult evaluate_trial(D& detector, Network& network, D& attacked, const Test& test,
                           const ErasedColorMode& color, const ErasedAttack& attack,
                           const EvaluateSettings& settings, Seed seed, at::Device device,
                           O& observer) {
  TrialResult result;
  const Stopwatch watch;
  Generator rng(seed);
  std::int64_t images = 0;
  attacked.train(false);
  result.evaluation = evaluate_views(
      detector, network, test,
      [&](const ImageBatch& batch) {
        const auto encoded = color.encode(batch.images);
        const auto hit = attacked_encoding(attacked, encoded, batch.truth, attack, color, rng);
        const auto delta = (hit - encoded).flatten(1);
        result.max_abs = std::max(result.max_abs, delta.abs().max().template item<double>());
        result.mean_l2 += delta.norm(2, 1).sum().template item<double>();
        images += batch.size();
        return color.expand(hit).contiguous();
      },
      settings, device, observer);
  result.mean_l2 /= static_cast<double>(images);
  result.seconds = watch.seconds();
  return result;
}

/// The ground truth of the images that are evaluated, without those that turned out unreadable.
template <Dataset Test>
Instances evaluated_truth(const Test& test, const EvaluateSettings& settings) {
  std::unordered_set<std::int64_t> ids;
  for (std::int64_t i = 0; i < evaluated_images(test, settings); ++i)
    ids.insert(test.instances().images[static_cast<std::size_t>(i)].id);
  if constexpr (requires { test.unreadable().contains(0); })
    std::erase_if(
        ids, [unreadable = test.unreadable()](std::int64_t id) { return unreadable.contains(id); });
  return only(test.instances(), ids);
}

/// Every image under its worst attack at one confidence (metric/worst_case.hpp): of each image the
/// detections under the attack that lets fewest of its true boxes be found. No single attack finds
/// fewer boxes of any image.
struct WorstCase {
  Evaluation evaluation;
  std::map<std::int64_t, std::size_t> attack;  ///< By image id: which of the evaluations that is.
};

/// The worst cases of the two profiles, each at its own confidence: an attack that makes a detector
/// unsure of its boxes is worse for people than for average precision.
struct WorstCases {
  WorstCase standard, paper;
};

/// @param each  of the same images, the clean ones among them.
inline WorstCases worst_cases(const Instances& truth, std::span<const Evaluation* const> each) {
  std::vector<std::vector<Detection>> detections;
  for (const auto* one : each) detections.push_back(one->detections);
  const auto at = [&](double confidence) {
    WorstCase worst;
    worst.attack = worst_attack_of_images(truth, detections, confidence);
    worst.evaluation = evaluation_of(truth, worst_detections(worst.attack, detections));
    return worst;
  };
  return {at(kStandardConfidence), at(kPaperConfidence)};
}

/// A detector under a suite of attacks, clean images first.
struct Robustness {
  std::vector<std::string> attacks;  ///< Their names, `None` first.
  std::vector<Evaluation> each;      ///< In the same order.
  WorstCases worst;                  ///< Over all of them.
};

/// Evaluates the clean images, the images under every attack, and the worst case per image, the
/// clean image counted among them. Equal seeds give equal results, whichever attacks are beside an
/// attack.
template <Detector D, class Network, Dataset Test, Observer O>
Robustness measure_robustness(D& detector, Network& network, const Test& test,
                              const ErasedColorMode& color, std::span<const ErasedAttack> attacks,
                              const EvaluateSettings& settings, Seed seed, at::Device device,
                              O& observer) {
  Robustness result;
  const auto under = [&](const ErasedAttack& attack) {
    result.attacks.emplace_back(attack.name);
    result.each.push_back(
        evaluate(detector, network, test, attack, color, settings, seed, device, observer));
  };
  under(Unattacked{});
  for (const auto& attack : attacks) under(attack);
  std::vector<const Evaluation*> each;
  for (const auto& one : result.each) each.push_back(&one);
  result.worst = worst_cases(evaluated_truth(test, settings), each);
  return result;
}

/// The gradients that attacks begin with: of the training loss, on clean images.
template <Detector D, Dataset Test>
GradientFlow gradient_flow(D& detector, const Test& test, const ErasedColorMode& color,
                           const EvaluateSettings& settings, at::Device device) {
  GradientFlow flow;
  const auto count = evaluated_images(test, settings);
  detector.train(false);
  for (std::int64_t begin = 0; begin < count; begin += settings.batch_size) {
    std::vector<std::int64_t> indices;
    for (auto i = begin; i < std::min(count, begin + settings.batch_size); ++i)
      indices.push_back(i);
    const auto batch = test.batch(indices).to(device);
    if (batch.size() == 0) continue;
    const auto gradient =
        colored(detector.victim(batch.truth), color)(color.encode(batch.images), {})
            .gradient.flatten(1);
    const auto flows = gradient.isfinite()
                           .all(1)
                           .logical_and(gradient.ne(0).any(1))
                           .sum()
                           .template item<int64_t>();
    flow.images += batch.size();
    flow.vanished += batch.size() - flows;
  }
  return flow;
}

}  // namespace serpette
