#pragma once

#include <ATen/ops/empty.h>

#include <cstdint>
#include <string_view>
#include <vector>

#include "serpette/core/settings.hpp"
#include "serpette/prune/reduce.hpp"
#include "serpette/prune/scores.hpp"

namespace serpette {

/// What a layer reads of one channel, the slices weight[:, c, :, :]: importance = mean |score| of
/// the slice. Each layer chooses for itself what it stops listening to; the filter that makes the
/// channel stays for others. With `PerLayer` the floor(ratio · n) least important of a layer's
/// C_in / groups channels go; at least one stays. The first layer's channels are the colours
/// (`Limits::spare_first`). Ties, nesting and errors as for `Weight`. Source: He et al. 2017.
struct InputChannel {
  static constexpr std::string_view name = "Input channel";

  Reducer reduce = Reducer::kMean;  ///< How a channel's scores become its importance.

  static constexpr auto describe() {
    return settings(
        setting<&InputChannel::reduce>("How the scores of a piece become its importance"));
  }

  [[nodiscard]] std::vector<PieceSet> pieces(const Graph& graph) const {
    return sets_by_layer(graph, [](const auto& shape) { return shape[1]; });
  }

  [[nodiscard]] Importance importance(const Graph&, const ScoreMap& scores) const {
    Importance importance(scores.size());
    for_each_layer(scores.size(), [&](std::size_t i) {
      const auto by_channel = scores[i].transpose(0, 1).contiguous();
      const auto channels = by_channel.size(0), area = by_channel.numel() / channels;
      const auto* score = by_channel.const_data_ptr<float>();
      importance[i] = at::empty({channels}, at::kFloat);
      for (std::int64_t c = 0; c < channels; ++c)
        importance[i].mutable_data_ptr<float>()[c] =
            static_cast<float>(serpette::reduce(reduce, score + c * area, area));
    });
    return importance;
  }

  [[nodiscard]] Mask mask(const Graph& graph, const Choice& choice) const {
    Mask mask;
    for (const int index : graph.convolutions()) {
      const auto channels = choice[mask.size()].view({1, -1, 1, 1});
      mask.push_back({channels.expand(weight_shape(graph, index)).contiguous(), {}});
    }
    return mask;
  }
};
static_assert(PruneGranularity<InputChannel>);

}  // namespace serpette
