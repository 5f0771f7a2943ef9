#pragma once

/// @file
/// From the filters that are kept to the smaller network: its graph, and which slices of each
/// weight it takes.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/graph/channels.hpp"
#include "serpette/graph/graph.hpp"

namespace serpette {

/// A plan to make a network physically smaller. Carrying it out:
/// `weight.index_select(0, filters).index_select(1, inputs)`, and `filters` of γ, β, bias and the
/// running statistics.
struct Compaction {
  /// What one convolution keeps.
  struct Slices {
    std::vector<std::int64_t> filters;  ///< Rows of the weight (dimension 0), ascending.
    std::vector<std::int64_t>
        inputs;  ///< Columns of the weight (dimension 1: within a group), ascending.
  };
  Graph graph;                       ///< The smaller network. Layers keep their names.
  std::vector<Slices> convolutions;  ///< In the order of `graph.convolutions()`.
  std::vector<int> layers{};         ///< Per layer of `graph`: its index before.

  /// Where the convolutions of `graph`, in order, stood among those before.
  [[nodiscard]] std::vector<std::size_t> sources(const Graph& before) const {
    const auto was = before.convolutions();
    std::vector<std::size_t> found;
    for (const int now : graph.convolutions()) {
      const int index = layers[static_cast<std::size_t>(now)];
      found.push_back(static_cast<std::size_t>(std::ranges::lower_bound(was, index) - was.begin()));
    }
    return found;
  }
};

namespace detail {

using Alive = std::vector<bool>;  // per channel

inline std::vector<std::int64_t> indices(const Alive& alive) {
  std::vector<std::int64_t> found;
  for (std::size_t i = 0; i < alive.size(); ++i)
    if (alive[i]) found.push_back(static_cast<std::int64_t>(i));
  return found;
}
inline int count(const Alive& alive) {
  return static_cast<int>(std::count(alive.begin(), alive.end(), true));
}

/// The `part`-th of `parts` equal pieces.
inline Alive piece(const Alive& whole, int parts, int part) {
  return Route{parts, part}.part_of(whole);
}

/// Which of a grouped convolution's groups survive. All survivors must keep the same places of
/// their inputs, and equally many outputs: a cfg cannot say otherwise.
/// @return  number of surviving groups; `inputs` becomes the places kept within each.
inline int surviving_groups(const Layer& layer, int groups, const Alive& in, const Alive& out,
                            Alive& inputs) {
  int surviving = 0, outputs = 0;
  for (int g = 0; g < groups; ++g) {
    const auto group_in = piece(in, groups, g);
    const int group_out = count(piece(out, groups, g));
    require(
        (count(group_in) == 0) == (group_out == 0), layer.name,
        "group {} should lose its inputs and outputs together, got {} inputs and {} outputs left",
        g, count(group_in), group_out);
    if (group_out == 0) continue;
    if (surviving++ == 0) {
      inputs = group_in;
      outputs = group_out;
    }
    require(
        group_in == inputs && group_out == outputs, layer.name,
        "its {} groups should keep the same inputs and equally many filters, but group {} differs",
        groups, g);
  }
  return surviving;
}

}  // namespace detail

/// Follows the kept channels through the graph.
/// @param kept_filters  per convolution, in the order of `graph.convolutions()`, one flag per
/// filter.
/// @throws Error  if coupled filters are kept in one layer and removed in another, if a head loses
/// an output, if a
///                convolution would be left empty, or if a removed filter would still be heard
///                (logistic activation): what `coupled_channels` calls removable, removed as a
///                whole, never fails but for an empty layer.
inline Compaction plan_compaction(const Graph& graph,
                                  const std::vector<std::vector<bool>>& kept_filters) {
  using detail::Alive;
  const auto convolutions = graph.convolutions();
  require(kept_filters.size() == convolutions.size(), "compaction",
          "should be told the filters of {} convolutions, got {}", convolutions.size(),
          kept_filters.size());

  Compaction plan{graph, {}};
  for (int i = 0; i < graph.size(); ++i) plan.layers.push_back(i);
  const Alive image(static_cast<std::size_t>(graph.input.channels), true);
  std::vector<Alive> alive(graph.layers.size());
  const auto alive_of = [&](int index) -> const Alive& {
    return index == kImage ? image : alive[static_cast<std::size_t>(index)];
  };

  for (int i = 0; i < graph.size(); ++i) {
    Layer& layer = plan.graph.layers[static_cast<std::size_t>(i)];
    const Alive& first = alive_of(layer.inputs.front());
    Alive& out = alive[static_cast<std::size_t>(i)];

    visit(
        layer,
        [&](Convolutional& conv) {
          out = kept_filters[plan.convolutions.size()];
          const int kept = detail::count(out);
          require(static_cast<int>(out.size()) == conv.filters, layer.name,
                  "should be told {} filters, got {}", conv.filters, out.size());
          require(kept > 0, layer.name, "should keep at least one of its {} filters, got none",
                  conv.filters);
          require(kept == conv.filters || is_zero_at_zero(conv.activation), layer.name,
                  "should keep all its {} filters, as a logistic activation turns silence into "
                  "0.5, got {}",
                  conv.filters, kept);
          Alive inputs = first;
          if (conv.groups > 1)
            conv.groups = detail::surviving_groups(layer, conv.groups, first, out, inputs);
          require(detail::count(inputs) > 0, layer.name,
                  "should keep at least one input, got none");
          conv.filters = kept;
          plan.convolutions.push_back({detail::indices(out), detail::indices(inputs)});
        },
        [&](const Shortcut& shortcut) {
          out = first;
          for (const int input : layer.inputs) {
            const Alive& other = alive_of(input);
            const auto shared = static_cast<std::ptrdiff_t>(std::min(first.size(), other.size()));
            require(std::equal(first.begin(), first.begin() + shared, other.begin()), layer.name,
                    "coupled filters should be removed together, but its inputs keep {} and {} "
                    "channels, or other ones",
                    detail::count(first), detail::count(other));
          }
          require(is_zero_at_zero(shortcut.activation) ||
                      detail::count(out) == static_cast<int>(out.size()),
                  layer.name,
                  "should keep all its channels, as a logistic activation turns silence into 0.5");
        },
        [&](const Route& route) {
          for (const int input : layer.inputs) {
            const Alive& from = alive_of(input);
            const Alive taken = route.part_of(from);
            for (int g = 0; g < route.groups; ++g) {
              const int other = detail::count(detail::piece(from, route.groups, g));
              require(other == detail::count(taken), layer.name,
                      "the {} parts of its input should keep equally many channels, got {} and {}",
                      route.groups, detail::count(taken), other);
            }
            out.insert(out.end(), taken.begin(), taken.end());
          }
        },
        [&](const Product&) {
          out = first;
          require(first == alive_of(layer.inputs.back()), layer.name,
                  "coupled filters should be removed together, but its inputs keep others");
        },
        [&](const OneOf<Upsample, MaxPool, GlobalAverage> auto&) { out = first; },
        [&](const Yolo&) {
          out = first;
          require(detail::count(out) == static_cast<int>(out.size()), layer.name,
                  "a head should keep all its {} outputs, got {}", out.size(), detail::count(out));
        });
    layer.output.channels = detail::count(out);
  }
  return plan;
}

/// `kept_filters` without the filters that nobody reads: their channel reaches no convolution that
/// reads it, no head and no output of the network. Coupled filters go together, only removable ones
/// go (coupled_channels), and one of each group stays.
/// @param read  per convolution, one flag per input channel (of all groups): whether some weight
///              that reads it is left.
inline std::vector<std::vector<bool>> without_unread(const Graph& graph,
                                                     std::vector<std::vector<bool>> kept_filters,
                                                     const std::vector<std::vector<bool>>& read) {
  using detail::Alive;
  std::vector<Alive> heard(graph.layers.size());  // from the outputs back
  std::vector<bool> has_reader(graph.layers.size(), false);
  for (int i = 0; i < graph.size(); ++i)
    heard[static_cast<std::size_t>(i)].resize(static_cast<std::size_t>(graph.shape(i).channels));
  const auto convolutions = graph.convolutions();
  auto position = convolutions.size();
  for (int i = graph.size() - 1; i >= 0; --i) {
    const Layer& layer = graph[i];
    Alive& mine = heard[static_cast<std::size_t>(i)];
    if (!has_reader[static_cast<std::size_t>(i)]) mine.assign(mine.size(), true);
    // Input channels [first, first + flags) are heard where the flags say so.
    const auto tell = [&](int input, const Alive& flags, int first = 0) {
      if (input == kImage) return;
      has_reader[static_cast<std::size_t>(input)] = true;
      Alive& of = heard[static_cast<std::size_t>(input)];
      for (std::size_t c = 0; c < flags.size(); ++c)
        if (flags[c]) of[static_cast<std::size_t>(first) + c] = true;
    };
    visit(
        layer, [&](const Convolutional&) { tell(layer.inputs.front(), read[--position]); },
        [&](const Shortcut&) {
          for (const int input : layer.inputs) {
            const int shared = Shortcut::shared(layer.output.channels, graph.shape(input).channels);
            tell(input, Alive(mine.begin(), mine.begin() + shared));
          }
        },
        [&](const Route& route) {
          auto next = mine.begin();
          for (const int input : layer.inputs) {
            const auto [first, count] = route.taken(graph.shape(input).channels);
            tell(input, Alive(next, next + count), first);
            next += count;
          }
        },
        [&](const OneOf<Upsample, MaxPool, Yolo, Product, GlobalAverage> auto&) {
          for (const int input : layer.inputs) tell(input, mine);
        });
  }
  for (const ChannelGroup& group : coupled_channels(graph)) {
    if (!group.removable) continue;
    const auto flag = [](auto& of, int layer, int filter) {
      return of[static_cast<std::size_t>(layer)][static_cast<std::size_t>(filter)];
    };
    const auto is_kept = [&](const FilterId& f) {
      return flag(kept_filters, f.convolution, f.filter);
    };
    auto left = std::count_if(group.channels.begin(), group.channels.end(),
                              [&](const auto& filters) { return is_kept(filters.front()); });
    for (const CoupledFilters& filters : group.channels) {
      const bool is_heard = std::ranges::any_of(filters, [&](const FilterId& f) {
        return flag(heard, convolutions[static_cast<std::size_t>(f.convolution)], f.filter);
      });
      if (is_heard || !is_kept(filters.front()) || left == 1) continue;
      for (const FilterId& f : filters) flag(kept_filters, f.convolution, f.filter) = false;
      --left;
    }
  }
  return kept_filters;
}

}  // namespace serpette
