#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "serpette/concepts/detector.hpp"
#include "serpette/core/batch_stream.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/core/settings.hpp"
#include "serpette/score/attribution.hpp"
#include "serpette/score/reference.hpp"
#include "serpette/score/reveal_cancel.hpp"

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

/// Refuses a rule that cannot pass a network's layers, before any work.
/// @throws Error  naming the layer.
inline void require_fits(AttributionRule rule, const Graph& graph) {
  if (rule == AttributionRule::kRevealCancel) RevealCancel::require_fits(graph);
}

/// What DeepLIFT explains, and how.
struct Explanation {
  Reference reference = Reference::kZeros;  ///< What the image is compared with.
  Target target = Target::kParts;           ///< What is explained.
  AttributionRule rule = AttributionRule::kRescale;
  int images_at_once = 4;  ///< Images per pass; more cost memory, at least 1.

  /// The targets that are explained one after the other.
  [[nodiscard]] std::vector<Target> passes() const {
    if (target != Target::kParts) return {target};
    return {Target::kBox, Target::kObjectness, Target::kClasses};
  }
};

/// DeepLIFT's contributions of every weight of every convolution, image by image: those of an image
/// are the same alone and beside any others. An image without a box has some to the loss alone.
/// @param net      the detector's graph as `Attribution` runs it.
/// @param batches  network inputs with ground truth; where the reference is the clean twin, of the
///                 clean half, with the attacked images behind it.
/// @param place    what errors call the policy.
/// @param sink     called as sink(pass, position, sums) with the sums Σ m_y·Δx of one image under
///                 one of `how.passes()`, like the folded weight: S = `net.weight(position)` ·
///                 sums. It may change them.
/// @return         the number of images.
/// @throws Error   if there is no image or no ground truth, or a batch of twins has odd size.
template <Detector D, class Sink>
std::int64_t explain_batches(const Attribution& net, const D& detector, const Explanation& how,
                             const BatchStream& batches, std::string_view place, Sink&& sink) {
  require(how.images_at_once >= 1, place, "images_at_once should be at least 1, got {}",
          how.images_at_once);
  const bool twins = how.reference == Reference::kCleanTwin;
  const auto passes = how.passes();
  Attribution::Activations constant;
  std::int64_t images = 0;
  bool any_truth = false;
  for (const ImageBatch& batch : batches) {
    const auto count = twins ? batch.size() / 2 : batch.size();
    require(!twins || batch.size() == 2 * count, place,
            "a batch of clean images and their attacked twins should have even size, got {}",
            batch.size());
    for (std::int64_t first = 0; first < count; first += how.images_at_once) {
      const auto n = std::min<std::int64_t>(how.images_at_once, count - first);
      const auto truth = truth_rows(batch.truth, first, first + n);
      images += n;
      any_truth = any_truth || truth.size(0) > 0;
      // No box, no logit to explain: these images contribute zeros. A loss they have, of their
      // background, whichever images they are looked at with.
      if (truth.size(0) == 0 && how.target != Target::kLoss) continue;

      auto x = batch.images.narrow(0, first, n);
      Attribution::Activations own;
      if (twins) {
        own = net.run(x);
        x = batch.images.narrow(0, count + first, n);
      } else if (!is_constant(how.reference)) {
        own = net.run(reference_images(how.reference, x));
      } else if (constant.output.empty()) {
        constant = net.run(reference_images(how.reference, x));
      }
      const auto now = net.run(x);
      const auto& then = is_constant(how.reference) ? constant : own;
      for (std::size_t pass = 0; pass < passes.size(); ++pass) {
        const auto seeds = detector.targets(net.heads(now), truth, passes[pass]);
        const auto add = [&](std::size_t i, const at::Tensor& sums) { sink(pass, i, sums); };
        if (how.rule == AttributionRule::kRescale)
          net.explain(now, then, seeds, add);
        else
          net.walk(RevealCancel(net, now, then), seeds, add);
      }
    }
  }
  require(images > 0, place, "should be given at least one image, got none");
  require(any_truth, place, "should be given at least one ground-truth box in {} images, got none",
          images);
  return images;
}

}  // namespace serpette
