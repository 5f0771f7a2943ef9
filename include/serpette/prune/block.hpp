#pragma once

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include "serpette/core/settings.hpp"
#include "serpette/prune/label.hpp"
#include "serpette/prune/reduce.hpp"
#include "serpette/prune/scores.hpp"

namespace serpette {

/// Blocks of R filters × C input channels at one place of the kernel, as block-sparse matrix
/// products read them: importance = mean |score| of the block. Blocks at the edge are smaller, and
/// count as one like all others. With `PerLayer` the floor(ratio · n) least important of a layer's
/// blocks go. Ties, nesting and errors as for `Weight`. Source: Gray et al. 2017.
template <int R, int C>
  requires(R > 0 && C > 0)
struct Block {
 private:
  static constexpr Label kName{"Block ", R, "x", C};

 public:
  static constexpr std::string_view name = kName;

  Reducer reduce = Reducer::kMean;  ///< How the scores of a piece become its importance.

  static constexpr auto describe() {
    return settings(setting<&Block::reduce>("How the scores of a piece become its importance"));
  }

  [[nodiscard]] std::vector<PieceSet> pieces(const Graph& graph) const {
    auto sets = sets_by_layer(
        graph, [](const auto& s) { return rows(s[0]) * columns(s[1]) * s[2] * s[3]; });
    for (PieceSet& set : sets) {
      set.size = R * C;
      set.weights = set.pieces * set.size;  // as if the edge's blocks were whole
    }
    return sets;
  }

  [[nodiscard]] Importance importance(const Graph&, const ScoreMap& scores) const {
    Importance importance(scores.size());
    for_each_layer(scores.size(), [&](std::size_t i) {
      const auto filters = scores[i].size(0), channels = scores[i].size(1),
                 area = scores[i].size(2) * scores[i].size(3);
      const auto* score = scores[i].template const_data_ptr<float>();
      importance[i] = at::empty({rows(filters) * columns(channels) * area}, at::kFloat);
      auto* value = importance[i].template mutable_data_ptr<float>();
      std::vector<float> block;
      for (std::int64_t r = 0; r < filters; r += R)
        for (std::int64_t c = 0; c < channels; c += C)
          for (std::int64_t a = 0; a < area; ++a) {
            block.clear();
            for (auto f = r; f < std::min(r + R, filters); ++f)
              for (auto k = c; k < std::min(c + C, channels); ++k)
                block.push_back(score[(f * channels + k) * area + a]);
            *value++ = static_cast<float>(
                serpette::reduce(reduce, block.data(), static_cast<std::int64_t>(block.size())));
          }
    });
    return importance;
  }

  [[nodiscard]] Mask mask(const Graph& graph, const Choice& choice) const {
    Mask mask;
    for (const int index : graph.convolutions()) {
      const auto [filters, channels, height, width] = weight_shape(graph, index);
      const auto down = rows(filters), across = columns(channels);
      const auto whole = choice[mask.size()]
                             .view({down, 1, across, 1, height, width})
                             .expand({down, R, across, C, height, width})
                             .reshape({down * R, across * C, height, width});
      mask.push_back({whole.narrow(0, 0, filters).narrow(1, 0, channels).contiguous(), {}});
    }
    return mask;
  }

 private:
  static std::int64_t rows(std::int64_t filters) { return (filters + R - 1) / R; }
  static std::int64_t columns(std::int64_t channels) { return (channels + C - 1) / C; }
};
static_assert(PruneGranularity<Block<4, 4>>);

}  // namespace serpette
