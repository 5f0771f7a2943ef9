#pragma once

#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <array>
#include <span>
#include <string_view>

#include "serpette/concepts/score_init.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/core/settings.hpp"
#include "serpette/score/attribution.hpp"
#include "serpette/score/reference.hpp"
#include "serpette/score/reveal_cancel.hpp"
#include "serpette/torch/operators.hpp"

namespace serpette {

/// How multipliers pass a nonlinearity.
enum class AttributionRule {
  kRescale,       ///< By its slope between reference and image.
  kRevealCancel,  ///< What pushes up and what pushes down apart; see RevealCancel.
};

constexpr auto words(AttributionRule) {
  return std::array<Word<AttributionRule>, 2>{
      {{"rescale", AttributionRule::kRescale}, {"reveal-cancel", AttributionRule::kRevealCancel}}};
}

/// DeepLIFT on weights:  s_w = mean over images |w · Σ_positions m_y·(x − x⁰)|,  all layers from
/// one pass.
///
/// The target of an image is the sum of the pre-sigmoid objectness and true-class logits at the
/// anchors assigned to its ground truth, with `Target::kDetectionAndBox` of the box's logits too.
/// Each s explains how much the weight moves it away from
/// what the reference gives. Trains nothing, and one score map serves every ratio.
///
/// Cost per image: two forward passes, one backward pass for multipliers and one for weight sums
/// (one forward pass less where the reference is constant). Memory: the activations of
/// `images_at_once` images, and the reference's. Source: Shrikumar et al. 2017;
/// docs/policies/score_init.md.
struct DeepLift {
  static constexpr std::string_view name = "DeepLIFT";

  Reference reference = Reference::kZeros;  ///< What the image is compared with.
  Target target = Target::kDetection;       ///< What is explained.
  AttributionRule rule = AttributionRule::kRescale;
  int images_at_once = 4;  ///< Images per pass; more cost memory, at least 1.

  static constexpr auto describe() {
    return settings(
        setting<&DeepLift::reference>("What images are compared with"),
        setting<&DeepLift::target>(
            "Logits that are explained: objectness and class, or the box's too"),
        setting<&DeepLift::rule>("How multipliers pass a nonlinearity"),
        setting<&DeepLift::images_at_once>("Images per pass; more cost memory", at_least(1)));
  }

  /// Whether batches must hold each image's attacked twin: 2N images, the attacked behind the clean
  /// ones.
  [[nodiscard]] bool needs_twins() const { return reference == Reference::kCleanTwin; }

  /// @param batches  network inputs with ground truth (of the clean half, where twins are needed).
  /// @throws Error   if there is no image or no ground truth, or a batch of twins has odd size.
  template <Detector D>
  [[nodiscard]] ScoreMap score_all(D& detector, std::span<const ImageBatch> batches,
                                   Generator&) const {
    require(images_at_once >= 1, name, "images_at_once should be at least 1, got {}",
            images_at_once);
    const Attribution net(detector);
    ScoreMap scores;
    for (std::size_t i = 0; i < net.graph().convolutions().size(); ++i)
      scores.push_back(at::zeros_like(net.weight(i)));

    Attribution::Activations constant;
    std::int64_t images = 0;
    bool any_truth = false;
    for (const auto& batch : batches) {
      const auto count = needs_twins() ? batch.size() / 2 : batch.size();
      require(!needs_twins() || batch.size() == 2 * count, name,
              "a batch of clean images and their attacked twins should have even size, got {}",
              batch.size());
      for (std::int64_t first = 0; first < count; first += images_at_once) {
        const auto n = std::min<std::int64_t>(images_at_once, count - first);
        const auto truth = truth_of(batch.truth, first, n);
        images += n;
        if (truth.size(0) == 0) continue;  // no box, no target: these images contribute zeros
        any_truth = true;

        auto x = batch.images.narrow(0, first, n);
        Attribution::Activations own;
        if (needs_twins()) {
          own = net.run(x);
          x = batch.images.narrow(0, count + first, n);
        } else if (!is_constant(reference)) {
          own = net.run(reference_images(reference, x));
        } else if (constant.output.empty()) {
          constant = net.run(reference_images(reference, x));
        }
        const auto now = net.run(x);
        const auto logits = detector.targets(net.heads(now), truth, target);
        const auto& then = is_constant(reference) ? constant : own;
        const auto add = [&](std::size_t i, at::Tensor sums) { scores[i].add_(sums.abs_()); };
        if (rule == AttributionRule::kRescale)
          net.explain(now, then, logits, add);
        else
          net.walk(RevealCancel(net, now, then), logits, add);
      }
    }
    require(images > 0, name, "should be given at least one image, got none");
    require(any_truth, name, "should be given at least one ground-truth box in {} images, got none",
            images);
    for (std::size_t i = 0; i < scores.size(); ++i)
      scores[i] =
          scores[i].mul_(net.weight(i)).abs_().div_(static_cast<double>(images)).contiguous();
    return scores;
  }

 private:
  /// The rows of images [first, first + n), counted from `first`.
  static at::Tensor truth_of(const at::Tensor& truth, std::int64_t first, std::int64_t n) {
    const auto image = truth.select(1, 0);
    const auto inside = (image >= first).logical_and(image < first + n);
    auto rows = truth.index_select(0, inside.nonzero().squeeze(1));  // a copy
    rows.select(1, 0).sub_(static_cast<double>(first));
    return rows;
  }
};

static_assert(ScoreInit<DeepLift>);

}  // namespace serpette
