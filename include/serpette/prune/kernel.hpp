#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "serpette/core/selection.hpp"
#include "serpette/prune/scores.hpp"

namespace serpette {

/// k×k kernels, the slices weight[f, c, :, :]: importance = mean |score| of the slice; of each
/// convolution's C_out · C_in / groups kernels the floor(ratio · n) least important go, heads
/// included.
///
/// In a 1×1 convolution a kernel is a weight. Ties, nesting, shape and errors as for `Weight`.
/// Source: the paper's section III-C, taken literally; docs/policies/prune_granularity.md.
struct Kernel {
  static constexpr std::string_view name = "Kernel";

  /// @param scores  per convolution, like its weight, finite, any device.
  /// @return        masks on the scores' devices; `LayerMask::filter` undefined.
  /// @throws Error  for a wrong shape or a score that is not finite, naming the layer.
  [[nodiscard]] Mask mask(const Graph& graph, const ScoreMap& scores, Ratio ratio) const {
    const auto choose = [&](const at::Tensor& scored, const std::string& layer,
                            std::span<bool> weights) {
      const auto area = static_cast<std::size_t>(scored.size(2) * scored.size(3));
      const auto kernels = weights.size() / area;
      const float* score = scored.const_data_ptr<float>();
      std::vector<float> importance(kernels);
      for (std::size_t kernel = 0; kernel < kernels; ++kernel) {
        double sum = 0;
        for (std::size_t j = 0; j < area; ++j) sum += std::abs(score[kernel * area + j]);
        importance[kernel] = static_cast<float>(sum / static_cast<double>(area));
      }
      const auto kept = std::make_unique<bool[]>(kernels);
      keep_highest(importance, ratio.count(static_cast<std::int64_t>(kernels)),
                   {kept.get(), kernels}, layer);
      for (std::size_t kernel = 0; kernel < kernels; ++kernel)
        std::ranges::fill(weights.subspan(kernel * area, area), kept[kernel]);
    };
    return detail::mask_layers(graph, scores, choose);
  }

  [[nodiscard]] Kept kept(const Graph& graph, const Mask& mask) const {
    return detail::kept(graph, mask);
  }
};
static_assert(PruneGranularity<Kernel>);

}  // namespace serpette
