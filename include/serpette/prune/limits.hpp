#pragma once

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "serpette/concepts/pieces.hpp"
#include "serpette/core/contract.hpp"
#include "serpette/core/ratio.hpp"
#include "serpette/core/settings.hpp"
#include "serpette/graph/graph.hpp"

namespace serpette {

/// What an allocation leaves alone. A ratio is then one of what is left.
struct Limits {
  bool spare_heads = false;  ///< The convolutions that heads read stay whole.
  bool spare_first = false;  ///< The convolutions that read the image stay whole.
  std::string_view spare{};  ///< Names of layers that stay whole, e.g. "conv_3,conv_7".
  double at_least = 0;       ///< Share of each set's pieces that stays, [0, 1].

  static constexpr auto describe() {
    return settings(
        setting<&Limits::spare_heads>("Leave the layers that heads read whole"),
        setting<&Limits::spare_first>("Leave the layers that read the image whole"),
        setting<&Limits::spare>("Names of layers to leave whole, with commas between"),
        setting<&Limits::at_least>("Share of each layer's pieces that stays", from_to(0, 1)));
  }

  /// The sets with what may go of each; a set that shares a layer with a spared one is spared.
  /// @throws Error  if a name is no convolution's.
  [[nodiscard]] std::vector<PieceSet> applied(const Graph& graph,
                                              std::vector<PieceSet> sets) const {
    const auto convolutions = graph.convolutions();
    const auto spared = spared_layers(graph);
    const auto at_most = Ratio::nearest(1 - at_least);
    for (PieceSet& set : sets) {
      set.removable = std::min(at_most.count(set.pieces), set.removable);
      if (std::ranges::any_of(set.convolutions, [&](int position) {
            return spared.contains(convolutions[static_cast<std::size_t>(position)]);
          }))
        set.removable = 0;
    }
    return sets;
  }

 private:
  [[nodiscard]] std::set<int> spared_layers(const Graph& graph) const {
    std::set<int> spared;
    const auto convolutions = graph.convolutions();
    if (spare_heads)
      for (const int head : graph.heads()) spared.insert(graph[head].inputs.front());
    if (spare_first)
      for (const int index : convolutions)
        if (graph[index].inputs.front() == kImage) spared.insert(index);
    for (std::size_t begin = 0; begin < spare.size();) {
      const auto end = std::min(spare.find(',', begin), spare.size());
      const auto name = spare.substr(begin, end - begin);
      const auto found =
          std::ranges::find_if(convolutions, [&](int index) { return graph[index].name == name; });
      require(found != convolutions.end(), "spare",
              "should name convolutions of the network, from {} to {}, got \"{}\"",
              graph[convolutions.front()].name, graph[convolutions.back()].name, name);
      spared.insert(*found);
      begin = end + 1;
    }
    return spared;
  }
};

}  // namespace serpette
