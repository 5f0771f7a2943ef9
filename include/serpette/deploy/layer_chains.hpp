#pragma once

/// @internal Which layers a plan computes together.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <utility>
#include <vector>

#include "serpette/deploy/finished_shortcuts.hpp"
#include "serpette/deploy/kept_maps.hpp"
#include "serpette/deploy/map.hpp"
#include "serpette/deploy/rounded_map.hpp"
#include "serpette/deploy/slice.hpp"
#include "serpette/deploy/slice_chain.hpp"
#include "serpette/graph/graph.hpp"

namespace serpette::deploy {

/// Convolutions one behind the other, with the shortcuts that they finish, that are computed slice
/// by slice.
struct LayerChain {
  std::vector<int> convolutions;  ///< By graph index, ascending: the nodes of `slices`.
  SliceChain slices;

  /// In whose turn all are computed.
  [[nodiscard]] int last() const { return convolutions.back(); }

  /// Says where convolution n finds what it reads and adds of those before it, and writes what it
  /// makes for those behind it.
  /// @param maps  of it; what is no window stays as it is.
  void in_windows(std::size_t n, const SliceChain::Windows& windows,
                  const FinishedShortcuts& finished, const KeptMaps& kept, RowMaps<>& maps) const {
    const auto numbers = [&](std::size_t node) -> MapRows<float> {
      const auto rows = windows(node, KeptMaps::kNumbers);
      return {reinterpret_cast<float*>(rows.data), rows.first,
              rows.plane / std::int64_t{sizeof(float)}};
    };
    const auto rounded = [&](std::size_t node, KeptMaps::Way way) -> RoundedRows {
      const auto* layout = kept.rounded(finished.written_by(convolutions[node]), way);
      if (layout == nullptr) return {};
      const auto rows = windows(node, way);
      return {rows.data, rows.first, *layout};
    };
    if (n > 0) {
      maps.x = numbers(n - 1);
      if (kept.read_by(convolutions[n]) == KeptMaps::kOperands)
        maps.rounded.x = rounded(n - 1, KeptMaps::kOperands);
    }
    if (n + 1 < convolutions.size()) {
      maps.y = numbers(n);
      maps.rounded.y = {rounded(n, KeptMaps::kOperands), rounded(n, KeptMaps::kAddends)};
    }
    if (const auto from = slices.residual(n); from != SliceChain::kNone) {
      const auto way = kept.added_from(finished.written_by(convolutions[from]));
      if (way == KeptMaps::kNumbers)
        maps.residual = numbers(from);
      else
        maps.rounded.residual = rounded(from, way);
    }
  }
};

namespace detail {

/// Of what is kept of layer i's output [bytes].
inline std::int64_t bytes_kept(const Graph& graph, const KeptMaps& kept, int i) {
  std::int64_t bytes = kept.contain(i, KeptMaps::kNumbers) ? bytes_of(graph.shape(i)) : 0;
  for (const auto way : {KeptMaps::kOperands, KeptMaps::kAddends})
    if (const auto* rounded = kept.rounded(i, way)) bytes += rounded->all();
  return bytes;
}

/// Whether what convolution i writes is read by `convolutions` alone, the shortcuts that they
/// finish included.
inline bool is_read_within(const Graph& graph, const FinishedShortcuts& finished,
                           const std::vector<int>& convolutions, int i) {
  const int written = finished.written_by(i);
  for (int reader = written + 1; reader < graph.size(); ++reader) {
    const auto& inputs = graph[reader].inputs;
    if (std::ranges::find(inputs, written) == inputs.end()) continue;
    if (std::ranges::find(convolutions, finished.writer_of(reader)) == convolutions.end())
      return false;
  }
  return true;
}

}  // namespace detail

/// The chains of a network, whose maps between are all large (kSlicedMap), and lie in one layout.
/// @param layouts  by graph index, of the outputs.
/// @param slices   by graph index, of convolutions whose form can slice them.
/// @param kept     of the outputs.
inline std::vector<LayerChain> find_chains(const Graph& graph, const FinishedShortcuts& finished,
                                           const std::vector<Layout>& layouts,
                                           const std::vector<std::vector<Slice>>& slices,
                                           const KeptMaps& kept) {
  const auto of = [](const auto& values, int i) { return values[static_cast<std::size_t>(i)]; };
  std::vector<LayerChain> chains;
  for (int first = 0; first < graph.size(); ++first) {
    if (of(slices, first).empty()) continue;
    // As many as follow each other …
    std::vector<int> found{first};
    while (found.size() < SliceChain::kMostNodes) {
      const int last = found.back(), written = finished.written_by(last), next = written + 1;
      if (detail::bytes_kept(graph, kept, written) < kSlicedMap ||
          !is_piecewise_linear(graph.convolution(last).activation))
        break;
      if (next >= graph.size() || of(slices, next).empty() ||
          graph[next].inputs.front() != written || of(layouts, next) != of(layouts, first))
        break;
      found.push_back(next);
    }
    // … and keep to themselves what lies between.
    const auto keeps_to_itself = [&] {
      return std::all_of(found.begin(), std::prev(found.end()),
                         [&](int i) { return detail::is_read_within(graph, finished, found, i); });
    };
    while (!keeps_to_itself()) found.pop_back();
    if (found.size() < 2) continue;

    std::vector<SliceChain::Node> nodes;
    for (const int i : found) {
      const Convolutional& c = graph.convolution(i);
      SliceChain::Node node{of(slices, i), graph.shape(i), c.size, c.stride, c.padding};
      for (std::size_t n = 0; n < nodes.size(); ++n)
        if (finished.written_by(found[n]) == finished.added_by(i)) node.residual = n;
      const int written = finished.written_by(i);
      if (kept.contain(written, KeptMaps::kNumbers))
        node.copies[KeptMaps::kNumbers] =
            SliceChain::Copy::numbers(graph.shape(written), of(layouts, first));
      for (const auto way : {KeptMaps::kOperands, KeptMaps::kAddends})
        if (const auto* rounded = kept.rounded(written, way)) {
          node.copies[way] = SliceChain::Copy::rounded(*rounded);
          node.around = std::max(node.around, rounded->padding);
        }
      nodes.push_back(std::move(node));
    }
    chains.push_back({found, SliceChain(std::move(nodes))});
    first = found.back();
  }
  return chains;
}

}  // namespace serpette::deploy
