#pragma once

/// @internal The memory of plan.hpp.

/// @file
/// Where the layers of a plan write.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "serpette/deploy/finished_shortcuts.hpp"
#include "serpette/deploy/kept_maps.hpp"
#include "serpette/deploy/layer_chains.hpp"
#include "serpette/deploy/map.hpp"
#include "serpette/deploy/rounded_map.hpp"
#include "serpette/deploy/workspace.hpp"
#include "serpette/graph/graph.hpp"

namespace serpette::deploy {

/// What the layers of a plan write, and where: laid out once. A shortcut that a convolution
/// finishes has its buffer; of a chain of convolutions only the last one has any.
class PlanMemory {
 public:
  PlanMemory() = default;
  /// @param layouts  by graph index, of the outputs.
  PlanMemory(const Graph& graph, std::vector<Layout> layouts, const FinishedShortcuts& finished,
             const KeptMaps& kept, const std::vector<LayerChain>& chains)
      : layouts_(std::move(layouts)), turns_(graph.layers.size()) {
    for (int i = 0; i < graph.size(); ++i) {
      turns_[static_cast<std::size_t>(i)] = i;
      if (finished.contain(i))
        layouts_[static_cast<std::size_t>(i)] = layout(finished.writer_of(i));
    }
    for (const LayerChain& chain : chains)
      for (const int i : chain.convolutions) turns_[static_cast<std::size_t>(i)] = chain.last();
    place_outputs(graph, finished, kept);
  }

  [[nodiscard]] Layout layout(int i) const {
    return i == kImage ? Layout::kPlanes : layouts_[static_cast<std::size_t>(i)];
  }
  /// The layer in whose turn i is computed: itself, or the last of its chain.
  [[nodiscard]] int turn(int i) const { return turns_[static_cast<std::size_t>(i)]; }
  /// The buffer of layer i; without memory where it hands on its input's, a chain has it in slices,
  /// or nobody reads floats.
  [[nodiscard]] const Map& output(int i) const { return outputs_[static_cast<std::size_t>(i)]; }
  /// The buffer of layer i's output in a way that is not floats; none where it is not kept so.
  [[nodiscard]] const RoundedRows& rounded(int i, KeptMaps::Way way) const {
    return rounded_[static_cast<std::size_t>(i)][way];
  }
  /// The buffer of a change of layout, by `place`.
  [[nodiscard]] const Map& changed(std::size_t place) const { return changed_[place]; }
  [[nodiscard]] std::size_t places() const { return changed_.size(); }

  /// Where a layer's output in one of the layouts stands in lists of both.
  static std::size_t place(int layer, Layout layout) {
    return 2 * static_cast<std::size_t>(layer + 1) + (layout == Layout::kChannelsLast ? 1 : 0);
  }

  /// Whether a layer's output is its input's memory, or some channels of it.
  static bool hands_on(const Layer& layer) {
    return visit(
        layer,
        [](const OneOf<Convolutional, Shortcut, Upsample, MaxPool, Product, GlobalAverage> auto&) {
          return false;
        },
        [&](const Route&) { return layer.inputs.size() == 1; }, [](const Yolo&) { return true; });
  }

 private:
  struct Use {
    int first = -1, last = -1;  // the turns in which something is read

    void in(int turn) {
      first = first < 0 ? turn : std::min(first, turn);
      last = std::max(last, turn);
    }
  };

  /// Gives every output its memory, and every change of layout.
  void place_outputs(const Graph& graph, const FinishedShortcuts& finished, const KeptMaps& kept) {
    const auto n = graph.layers.size();
    std::vector<Use> uses(2 * (n + 1));
    std::vector<std::array<Use, KeptMaps::kWays>> rounded_uses(n);
    const auto read = [&](int j, KeptMaps::Way way, Layout wanted, int turn) {
      if (way == KeptMaps::kNumbers)
        uses[place(j, wanted)].in(turn);
      else
        rounded_uses[static_cast<std::size_t>(j)][way].in(turn);
    };
    for (int i = 0; i < graph.size(); ++i) {
      const auto& inputs = graph[i].inputs;
      if (finished.contain(i)) {  // in the turn of the later input
        const int last = finished.writer_of(i), other = finished.added_by(last).value();
        read(other, kept.added_from(other), layout(i), turn(last));
        continue;
      }
      for (const int j : inputs)
        read(j, kept.read_by(i), graph[i].as<Yolo>() ? layout(j) : layout(i), turn(i));
    }
    // What hands on its input's memory is read where its readers read.
    std::vector<int> last_read(n);
    for (int i = graph.size(); i-- > 0;) {
      auto& mine = last_read[static_cast<std::size_t>(i)];
      for (const auto wanted : {Layout::kPlanes, Layout::kChannelsLast})
        mine = std::max(mine, uses[place(i, wanted)].last);
      const int from = graph[i].inputs.front();
      if (hands_on(graph[i]) && from != kImage) read(from, KeptMaps::kNumbers, layout(from), mine);
    }

    std::vector<std::pair<Lifetime, std::function<void(std::byte*)>>> lives;
    const auto live = [&](Map& to, const Shape& shape, Layout in, int from, int until) {
      const auto bytes = std::int64_t{sizeof(float)} * ConstMap{nullptr, shape}.numbers();
      lives.emplace_back(Lifetime{bytes, from, until}, [&to, shape, in](std::byte* data) {
        to = Map::dense(reinterpret_cast<float*>(data), shape, in);
      });
    };
    outputs_.assign(n, {});
    rounded_.assign(n, {});
    changed_.assign(2 * (n + 1), {});
    for (int i = 0; i < graph.size(); ++i) {
      if (hands_on(graph[i]) || finished.contain(i) || turn(i) != i) continue;
      const int written = finished.written_by(i);
      const auto w = static_cast<std::size_t>(written);
      outputs_[w].shape = graph.shape(written);
      if (kept.contain(written, KeptMaps::kNumbers))
        live(outputs_[w], graph.shape(written), layout(written), i, std::max(i, last_read[w]));
      for (const auto way : {KeptMaps::kOperands, KeptMaps::kAddends})
        if (const auto* rounded = kept.rounded(written, way))
          lives.emplace_back(Lifetime{rounded->all(), i, std::max(i, rounded_uses[w][way].last)},
                             [&to = rounded_[w][way], rounded](std::byte* data) {
                               to = RoundedRows::whole(data, *rounded);
                             });
    }
    for (int j = kImage; j < graph.size(); ++j)
      for (const auto wanted : {Layout::kPlanes, Layout::kChannelsLast}) {
        const auto [first, last] = uses[place(j, wanted)];
        const bool is_part = j != kImage && graph[j].as<Route>() && graph[j].inputs.size() == 1;
        if (first >= 0 && (wanted != layout(j) || is_part))
          live(changed_[place(j, wanted)], graph.shape(j), wanted, first, last);
      }
    std::ranges::stable_sort(
        lives, [](const auto& a, const auto& b) { return a.first.from < b.first.from; });
    std::vector<Lifetime> lifetimes;
    for (const auto& [life, to] : lives) lifetimes.push_back(life);
    auto made = workspace(lifetimes);
    for (std::size_t k = 0; k < lives.size(); ++k) lives[k].second(made.places[k]);
    memory_ = std::move(made.memory);
  }

  std::vector<Layout> layouts_;  // by graph index, of the outputs
  std::vector<int> turns_;       // by graph index
  std::vector<Map> outputs_;     // by graph index: buffers for what we write
  std::vector<std::array<RoundedRows, KeptMaps::kWays>> rounded_;  // by graph index, likewise
  std::vector<Map> changed_;  // by place: buffers for changes of layout
  std::vector<AlignedZeros<std::byte>> memory_;
};

}  // namespace serpette::deploy
