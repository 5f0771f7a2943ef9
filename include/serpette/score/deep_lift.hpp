#pragma once

#include <ATen/ops/zeros_like.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "serpette/concepts/score_init.hpp"
#include "serpette/core/settings.hpp"
#include "serpette/score/contributions.hpp"
#include "serpette/score/normalised.hpp"
#include "serpette/torch/operators.hpp"

namespace serpette {

/// How the contributions S of a weight to many images become one number.
enum class Aggregate {
  kMean,    ///< mean |S|: how much it does.
  kRms,     ///< √(mean S²): images on which it does much count more.
  kSigned,  ///< |mean S|: what it does to one image and undoes to another cancels.
};

constexpr auto words(Aggregate) {
  return std::array<Word<Aggregate>, 3>{
      {{"mean", Aggregate::kMean}, {"rms", Aggregate::kRms}, {"signed", Aggregate::kSigned}}};
}

/// DeepLIFT on weights: the contribution of a weight to a target t of one image is
///
///   S_w = w · Σ_positions m_y·(x − x⁰),
///
/// all layers from one pass (score/attribution.hpp); the score is the mean |S_w| over images,
/// divided by the mean of that over the weight's filter: its share of what the filter does.
///
/// By default box, objectness and classes are explained one after the other and their |S| are added
/// (`Target::kParts`): a target without some part leaves the head's rows of that part at exactly 0.
/// Trains nothing, and one score map serves every ratio.
///
/// Cost per image: two forward passes (one where the reference is constant), and for each explained
/// target one backward pass for multipliers and one for weight sums. Memory: the activations of
/// `images_at_once` images, and the reference's. Source: Shrikumar et al. 2017;
/// docs/policies/score_init.md.
/// @tparam kNormalise  the default: a share of the filter does not rank whole filters, so
///                     `DeepLiftOfFilters` compares within the layer.
template <Normalise kNormalise>
struct BasicDeepLift {
  static constexpr std::string_view name = "DeepLIFT";

  Reference reference = Reference::kZeros;  ///< What the image is compared with.
  Target target = Target::kParts;           ///< What is explained.
  AttributionRule rule = AttributionRule::kRescale;
  Aggregate aggregate = Aggregate::kMean;  ///< How images become one number.
  Normalise normalise = kNormalise;        ///< What scores are divided by the mean of.
  int images_at_once = 4;                  ///< Images per pass; more cost memory, at least 1.

  static constexpr auto describe() {
    return settings(
        setting<&BasicDeepLift::reference>("What images are compared with"),
        setting<&BasicDeepLift::target>("What is explained of the heads"),
        setting<&BasicDeepLift::rule>("How multipliers pass a nonlinearity"),
        setting<&BasicDeepLift::aggregate>("How the contributions to many images become one"),
        setting<&BasicDeepLift::normalise>("What scores are divided by the mean of"),
        setting<&BasicDeepLift::images_at_once>("Images per pass; more cost memory", at_least(1)));
  }

  /// Whether batches must hold each image's attacked twin: 2N images, the attacked behind the clean
  /// ones.
  [[nodiscard]] bool needs_twins() const { return reference == Reference::kCleanTwin; }
  [[nodiscard]] constexpr Levelled levels() const { return levelled_by(normalise); }
  /// @throws Error  for a network that the rule cannot pass.
  void require_fits(const Graph& graph) const { serpette::require_fits(rule, graph); }

  /// @param batches  network inputs with ground truth (of the clean half, where twins are needed).
  /// @throws Error   if there is no image or no ground truth, or a batch of twins has odd size.
  template <Detector D>
  [[nodiscard]] ScoreMap score_all(D& detector, const BatchStream& batches, Generator&) const {
    const Attribution net(detector);
    const Explanation how{reference, target, rule, images_at_once};
    const std::size_t layers = net.graph().convolutions().size();
    const bool together = aggregate == Aggregate::kMean;  // all passes add up in one place
    std::vector<ScoreMap> sums(together ? 1 : how.passes().size());
    for (auto& of_pass : sums)
      for (std::size_t i = 0; i < layers; ++i) of_pass.push_back(at::zeros_like(net.weight(i)));

    const auto images = explain_batches(net, detector, how, batches, name,
                                        [&](std::size_t pass, std::size_t i, const at::Tensor& s) {
                                          auto& sum = sums[together ? 0 : pass][i];
                                          if (aggregate == Aggregate::kMean) sum.add_(s.abs_());
                                          if (aggregate == Aggregate::kRms) sum.addcmul_(s, s);
                                          if (aggregate == Aggregate::kSigned) sum.add_(s);
                                        });

    ScoreMap scores;
    for (std::size_t i = 0; i < layers; ++i) {
      auto total = at::zeros_like(net.weight(i));
      for (auto& of_pass : sums) {
        auto mean = of_pass[i].div_(static_cast<double>(images));
        total.add_(aggregate == Aggregate::kRms ? mean.sqrt_() : mean.abs_());
      }
      scores.push_back(normalised(normalise, total.mul_(net.weight(i))).contiguous());
    }
    return scores;
  }
};

/// For weights and kernels.
using DeepLift = BasicDeepLift<Normalise::kFilter>;
/// For whole filters.
using DeepLiftOfFilters = BasicDeepLift<Normalise::kLayer>;

static_assert(ScoreInit<DeepLift> && ScoreInit<DeepLiftOfFilters>);

}  // namespace serpette
