#pragma once

#include <range/v3/algorithm/unique.hpp>
#include <range/v3/view/zip.hpp>

/// @file
/// Which filters of a network can be removed only together, and which not at all.

#include <algorithm>
#include <cstddef>
#include <map>
#include <numeric>
#include <tuple>
#include <vector>

#include "serpette/graph/graph.hpp"

namespace serpette {

/// One filter of one convolution.
struct FilterId {
  int convolution = 0;  ///< Position in `Graph::convolutions()`.
  int filter = 0;       ///< Output channel of that convolution.

  friend auto operator<=>(const FilterId&, const FilterId&) = default;
};

/// Filters that stand or fall together: the set closed under "is added to", "is scaled by" and
/// "must stay parallel to".
using CoupledFilters = std::vector<FilterId>;

/// All channels that couple the same convolutions. In YOLOv3 the residual stream of each resolution
/// is one group, and so is every convolution without a shortcut.
struct ChannelGroup {
  std::vector<int> convolutions;  ///< Positions in `Graph::convolutions()`, ascending, distinct.
  std::vector<CoupledFilters>
      channels;           ///< Each sorted; the channels ascend by their first filter.
  bool removable = true;  ///< False for head outputs and whatever else must stay.
};

namespace detail {

/// Union-find over channel numbers; the lowest number represents its class.
class Classes {
 public:
  int add(int count) {
    const int first = static_cast<int>(parent_.size());
    parent_.resize(parent_.size() + static_cast<std::size_t>(count));
    std::iota(parent_.begin() + first, parent_.end(), first);
    return first;
  }
  int find(int i) {
    while (at(i) != i) i = at(i) = at(at(i));
    return i;
  }
  void join(int a, int b) {
    const auto [low, high] = std::minmax({find(a), find(b)});
    at(high) = low;
  }

 private:
  int& at(int i) { return parent_[static_cast<std::size_t>(i)]; }
  std::vector<int> parent_;
};

}  // namespace detail

/// The coupled channel groups of a network, ordered by their first filter; together they hold every
/// filter once.
///
/// - A shortcut couples its inputs channel by channel, as far as both have them; so does a product.
/// - A convolution with one input channel per group (depthwise) couples each input with its group's
/// outputs.
/// - Other grouped convolutions, and routes that take one part of several, couple the channels at
/// equal places of
///   their parts, so that the parts stay equally long.
/// - Not removable: what is added to or scales the image, what a yolo layer or nobody reads (the
/// network's outputs),
///   and what passes an activation that does not map 0 to 0 (logistic): a silent filter would still
///   be heard.
inline std::vector<ChannelGroup> coupled_channels(const Graph& graph) {
  detail::Classes classes;
  std::vector<int> pinned;
  const auto pin = [&](const std::vector<int>& ids) {
    pinned.insert(pinned.end(), ids.begin(), ids.end());
  };
  const auto fresh = [&](int count) {
    std::vector<int> ids(static_cast<std::size_t>(count));
    std::iota(ids.begin(), ids.end(), classes.add(count));
    return ids;
  };
  const auto join_parts = [&](const std::vector<int>& ids, int parts) {
    const auto length = ids.size() / static_cast<std::size_t>(parts);
    for (std::size_t i = length; i < ids.size(); ++i) classes.join(ids[i % length], ids[i]);
  };

  const auto image = fresh(graph.input.channels);
  pin(image);
  std::vector<std::vector<int>> ids(graph.layers.size());  // channel numbers of each layer's output
  const auto channels_of = [&](int index) -> const std::vector<int>& {
    return index == kImage ? image : ids[static_cast<std::size_t>(index)];
  };
  std::vector<FilterId> filters;  // by channel number, the image's left out
  std::vector<bool> is_read(graph.layers.size(), false);

  for (int i = 0, convolution = 0; i < graph.size(); ++i) {
    const Layer& layer = graph[i];
    for (const int input : layer.inputs)
      if (input != kImage) is_read[static_cast<std::size_t>(input)] = true;
    const auto& first = channels_of(layer.inputs.front());
    auto& out = ids[static_cast<std::size_t>(i)];

    visit(
        layer,
        [&](const Convolutional& conv) {
          out = fresh(conv.filters);
          for (int f = 0; f < conv.filters; ++f) filters.push_back({convolution, f});
          ++convolution;
          if (conv.groups > 1 && conv.groups == static_cast<int>(first.size())) {
            const auto multiplier = out.size() / first.size();
            for (std::size_t f = 0; f < out.size(); ++f)
              classes.join(first[f / multiplier], out[f]);
          } else if (conv.groups > 1) {
            join_parts(first, conv.groups);
            join_parts(out, conv.groups);
          }
          if (!is_zero_at_zero(conv.activation)) pin(out);
        },
        [&](const Shortcut& shortcut) {
          out = first;
          for (const int input : layer.inputs) {
            const auto& other = channels_of(input);
            for (auto&& [mine, its] : ranges::views::zip(out, other)) classes.join(mine, its);
          }
          if (!is_zero_at_zero(shortcut.activation)) pin(out);
        },
        [&](const Route& route) {
          for (const int input : layer.inputs) {
            const auto& from = channels_of(input);
            join_parts(from, route.groups);
            const auto part = route.part_of(from);
            out.insert(out.end(), part.begin(), part.end());
          }
        },
        [&](const Product&) {
          out = first;
          const auto& other = channels_of(layer.inputs.back());
          for (std::size_t c = 0; c < out.size(); ++c) classes.join(out[c], other[c]);
        },
        [&](const OneOf<Upsample, MaxPool, GlobalAverage> auto&) { out = first; },
        [&](const Yolo&) {
          out = first;
          pin(out);
        });
  }
  for (std::size_t i = 0; i < ids.size(); ++i)
    if (!is_read[i]) pin(ids[i]);

  const auto images = graph.input.channels;
  std::vector<bool> stays(filters.size() + image.size(), false);
  for (const int id : pinned) stays[static_cast<std::size_t>(classes.find(id))] = true;
  std::map<int, CoupledFilters>
      coupled;  // by representative; filters are visited in ascending order
  for (int f = 0; f < static_cast<int>(filters.size()); ++f)
    coupled[classes.find(images + f)].push_back(filters[static_cast<std::size_t>(f)]);

  // Channels with the same members (with multiplicity: parallel parts of one layer count) make one
  // group.
  std::map<std::tuple<std::vector<int>, bool>, ChannelGroup> groups;
  for (auto& [representative, channel] : coupled) {
    std::vector<int> members;
    for (const FilterId& f : channel) members.push_back(f.convolution);
    const bool removable = !stays[static_cast<std::size_t>(representative)];
    auto& group = groups[{members, removable}];
    group.convolutions = members;
    group.removable = removable;
    group.channels.push_back(std::move(channel));
  }
  std::vector<ChannelGroup> result;
  for (auto& [key, group] : groups) {
    group.convolutions.erase(ranges::unique(group.convolutions), group.convolutions.end());
    std::ranges::sort(group.channels);
    result.push_back(std::move(group));
  }
  std::ranges::sort(
      result, [](const ChannelGroup& a, const ChannelGroup& b) { return a.channels < b.channels; });
  return result;
}

}  // namespace serpette
