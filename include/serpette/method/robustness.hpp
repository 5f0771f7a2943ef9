#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "serpette/method/evaluate.hpp"
#include "serpette/metric/worst_case.hpp"

namespace serpette {

/// A detector under a suite of attacks.
struct Robustness {
  std::vector<std::string_view> attacks;             ///< Their names, `Unattacked` first.
  std::vector<Evaluation> each;                      ///< In the same order: the clean images first.
  Evaluation worst;                                  ///< Every image under its worst attack.
  std::map<std::int64_t, std::size_t> worst_attack;  ///< By image id: which of them that is.
};

/// Evaluates the clean images, the images under every attack, and the worst case per image
/// (metric/worst_case.hpp): of each image the detections under the attack that lets fewest of its
/// true boxes be found, the clean image counted among them. No single attack finds fewer boxes of
/// any image; the average precision over the worst cases is what the suite as a whole leaves.
/// Equal seeds give equal results, whichever attacks are beside an attack.
/// @param network  as in `evaluate`.
template <Detector D, class Network, Dataset Test, Observer O, Attack... Attacks>
Robustness measure_robustness(D& detector, Network& network, const Test& test,
                              const ErasedColorMode& color, const EvaluateSettings& settings,
                              Seed seed, at::Device device, O& observer,
                              const Attacks&... attacks) {
  Robustness result;
  const auto under = [&]<Attack A>(const A& attack) {
    result.attacks.push_back(A::name);
    result.each.push_back(
        evaluate(detector, network, test, attack, color, settings, seed, device, observer));
  };
  under(Unattacked{});
  (under(attacks), ...);

  std::vector<std::vector<Detection>> detections;
  for (const auto& one : result.each) detections.push_back(one.detections);
  const auto count =
      settings.images > 0 ? std::min<std::int64_t>(settings.images, test.size()) : test.size();
  std::unordered_set<std::int64_t> seen;
  for (std::int64_t i = 0; i < count; ++i)
    seen.insert(test.instances().images[static_cast<std::size_t>(i)].id);
  const auto truth = only(test.instances(), seen);
  result.worst_attack = worst_attack_of_images(truth, detections);
  result.worst.detections = worst_detections(result.worst_attack, detections);
  result.worst.standard = serpette::evaluate(truth, result.worst.detections, at::get_num_threads());
  result.worst.paper = serpette::evaluate(truth, above(result.worst.detections, kPaperConfidence),
                                          at::get_num_threads());
  return result;
}

}  // namespace serpette
