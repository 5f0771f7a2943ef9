#pragma once

#include <ATen/ops/zeros.h>

#include <cstddef>
#include <string_view>
#include <vector>

#include "serpette/concepts/score_init.hpp"
#include "serpette/core/settings.hpp"
#include "serpette/score/contributions.hpp"
#include "serpette/torch/operators.hpp"

namespace serpette {

/// DeepLIFT as Captum's LayerDeepLift gives it, taken literally: it attributes to the outputs of a
/// layer, not to weights; so a filter's attribution A_f, summed over positions, is spread over its
/// weights by their size:
///
///   s_w = mean over images |A_f| · |w| / Σ_{w' in f} |w'|
///
/// Within a filter this ranks like magnitude, between the filters of a layer like the attribution.
/// (A_f is also the sum of `DeepLift`'s contributions over the filter's weights.) Cost and errors
/// as for `DeepLift`. Source: Captum's LayerDeepLift; docs/policies/score_init.md.
struct DeepLiftLayer {
  static constexpr std::string_view name = "DeepLIFT of layers";

  Reference reference = Reference::kZeros;  ///< What the image is compared with.
  Target target = Target::kParts;           ///< What is explained; of several parts, |A_f| add up.
  AttributionRule rule = AttributionRule::kRescale;
  int images_at_once = 4;  ///< Images per pass; more cost memory, at least 1.

  static constexpr auto describe() {
    return settings(
        setting<&DeepLiftLayer::reference>("What images are compared with"),
        setting<&DeepLiftLayer::target>("What is explained of the heads"),
        setting<&DeepLiftLayer::rule>("How multipliers pass a nonlinearity"),
        setting<&DeepLiftLayer::images_at_once>("Images per pass; more cost memory", at_least(1)));
  }

  [[nodiscard]] bool needs_twins() const { return reference == Reference::kCleanTwin; }
  /// @throws Error  for a network that the rule cannot pass.
  void require_fits(const Graph& graph) const { serpette::require_fits(rule, graph); }

  template <Detector D>
  [[nodiscard]] ScoreMap score_all(D& detector, const BatchStream& batches, Generator&) const {
    const Attribution net(detector);
    const std::size_t layers = net.graph().convolutions().size();
    std::vector<at::Tensor> filters;  // Σ over images of |A_f|
    for (std::size_t i = 0; i < layers; ++i)
      filters.push_back(at::zeros({net.weight(i).size(0)}, net.weight(i).options()));
    const auto images =
        explain_batches(net, detector, {reference, target, rule, images_at_once}, batches, name,
                        [&](std::size_t, std::size_t i, const at::Tensor& sums) {
                          filters[i].add_(sums.mul_(net.weight(i)).sum({1, 2, 3}).abs_());
                        });
    ScoreMap scores;
    for (std::size_t i = 0; i < layers; ++i) {
      const auto size = net.weight(i).abs();
      const auto of_filter = size.sum({1, 2, 3}, true);
      const auto attribution = filters[i].div_(static_cast<double>(images)).view({-1, 1, 1, 1});
      scores.push_back(
          (size * (attribution / of_filter.masked_fill(of_filter == 0, 1))).contiguous());
    }
    return scores;
  }
};

static_assert(ScoreInit<DeepLiftLayer>);

}  // namespace serpette
