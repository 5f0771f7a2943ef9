#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/core/settings.hpp"
#include "serpette/prune/label.hpp"
#include "serpette/prune/scores.hpp"

namespace serpette {

/// N of M: of every M weights that follow each other along input channels (one filter, one place of
/// the kernel) at least the N of highest |score| stay, the higher index among equals. At ratio
/// (M − N) / M exactly N of every M are left, the pattern that sparse tensor cores read (2:4); more
/// never goes; at lower ratios the least important of the M − N go.
///
/// A layer whose input channels are no multiple of M, as those that read an RGB image, is left
/// whole, as the libraries of such hardware do; `left_whole` in prune/possible.hpp names them.
///
/// Masks nest. Source: Mishra et al. 2021; docs/policies/prune_granularity.md.
template <int N, int M>
  requires(0 < N && N < M)
struct NofM {
 private:
  static constexpr Label kName{"", N, ":", M};

 public:
  static constexpr std::string_view name = kName;

  bool skip_uneven = true;  ///< Leave layers whole whose input channels are no multiple of M.

  static constexpr auto describe() {
    return settings(setting<&NofM::skip_uneven>(
        "Leave layers whole whose input channels are no multiple of M, not refuse them"));
  }

  /// @throws Error  for a layer that cannot have the pattern, unless such layers are left whole.
  [[nodiscard]] std::vector<PieceSet> pieces(const Graph& graph) const {
    std::vector<PieceSet> sets =
        sets_by_layer(graph, [](const auto& s) { return s[0] * s[1] * s[2] * s[3]; });
    const auto convolutions = graph.convolutions();
    for (std::size_t i = 0; i < sets.size(); ++i) {
      const auto channels = weight_shape(graph, convolutions[i])[1];
      require(channels % M == 0 || skip_uneven, sets[i].name,
              "{} should have input channels in multiples of {}, got {}; skip_uneven leaves such "
              "layers whole",
              name, M, channels);
      sets[i].removable = channels % M == 0 ? sets[i].pieces / M * (M - N) : 0;
    }
    return sets;
  }

  /// |score|, of what has to stay raised above whatever may go, and no further: allocations look at
  /// how large importances are.
  [[nodiscard]] Importance importance(const Graph&, const ScoreMap& scores) const {
    Importance importance(scores.size());
    for_each_layer(scores.size(), [&](std::size_t i) {
      importance[i] = scores[i].abs().flatten();
      const auto channels = scores[i].size(1), area = scores[i].size(2) * scores[i].size(3);
      if (channels % M != 0) return;
      auto* value = importance[i].template mutable_data_ptr<float>();
      std::vector<bool> stays(static_cast<std::size_t>(importance[i].numel()), false);
      float highest = 0;  // of what may go
      for (std::int64_t f = 0; f < scores[i].size(0); ++f)
        for (std::int64_t c = 0; c < channels; c += M)
          for (std::int64_t a = 0; a < area; ++a) {
            std::array<std::int64_t, M> order{};
            for (int k = 0; k < M; ++k) order[k] = (f * channels + c + k) * area + a;
            std::stable_sort(order.begin(), order.end(),
                             [&](auto p, auto q) { return value[p] < value[q]; });
            highest = std::max(highest, value[order[M - N - 1]]);
            for (int k = M - N; k < M; ++k) stays[static_cast<std::size_t>(order[k])] = true;
          }
      const float above = std::nextafter(highest, std::numeric_limits<float>::infinity());
      for (std::size_t w = 0; w < stays.size(); ++w)
        if (stays[w]) value[w] = std::max(value[w], above);
    });
    return importance;
  }

  [[nodiscard]] Mask mask(const Graph& graph, const Choice& choice) const {
    Mask mask;
    for (const int index : graph.convolutions())
      mask.push_back({choice[mask.size()].view(weight_shape(graph, index)), {}});
    return mask;
  }
};
static_assert(PruneGranularity<NofM<2, 4>>);

}  // namespace serpette
