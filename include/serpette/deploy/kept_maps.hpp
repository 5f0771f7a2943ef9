#pragma once

/// @internal What a plan keeps of the maps between its layers.

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <vector>

#include "serpette/deploy/finished_shortcuts.hpp"
#include "serpette/deploy/rounded_map.hpp"
#include "serpette/graph/graph.hpp"

namespace serpette::deploy {

/// In which ways each layer's output is kept: as floats; rounded, as the convolution that reads it
/// multiplies it, if who writes it can; and where that is in bytes, in bfloat16 for a shortcut that
/// adds it later. Who reads only what is rounded needs no floats.
class KeptMaps {
 public:
  enum Way : std::size_t { kNumbers, kOperands, kAddends };
  static constexpr std::size_t kWays = 3;

  KeptMaps() = default;
  /// @param reads   by graph index, how a convolution wants its input rounded.
  /// @param rounds  by graph index, whether a convolution writes and adds rounded maps.
  /// @param halves  whether this machine rounds to bfloat16.
  KeptMaps(const Graph& graph, const FinishedShortcuts& finished,
           const std::vector<std::optional<RoundedLayout>>& reads, const std::vector<bool>& rounds,
           bool halves)
      : kept_(graph.layers.size()), reads_operands_(graph.layers.size(), false) {
    for (const int i : graph.convolutions())
      if (rounds[static_cast<std::size_t>(i)] &&
          is_piecewise_linear(graph.convolution(i).activation))
        decide(graph, finished, reads, rounds, halves, finished.written_by(i));
  }

  [[nodiscard]] bool contain(int i, Way way) const {
    const auto& kept = of(i);
    return way == kNumbers ? kept.numbers : kept.rounded[way].has_value();
  }
  /// How layer i's output lies in a way that is not floats; null if it is not kept so.
  [[nodiscard]] const RoundedLayout* rounded(int i, Way way) const {
    const auto& layout = of(i).rounded[way];
    return layout ? &*layout : nullptr;
  }
  /// How convolution i reads its input.
  [[nodiscard]] Way read_by(int i) const {
    return reads_operands_[static_cast<std::size_t>(i)] ? kOperands : kNumbers;
  }
  /// From which of its copies layer i's output is added by shortcuts that a convolution finishes.
  [[nodiscard]] Way added_from(int i) const { return i == kImage ? kNumbers : of(i).added_from; }

 private:
  struct Kept {
    bool numbers = true;
    std::array<std::optional<RoundedLayout>, kWays> rounded = {};  // none in floats
    Way added_from = kNumbers;
  };

  [[nodiscard]] const Kept& of(int i) const { return kept_[static_cast<std::size_t>(i)]; }

  void decide(const Graph& graph, const FinishedShortcuts& finished,
              const std::vector<std::optional<RoundedLayout>>& reads,
              const std::vector<bool>& rounds, bool halves, int written) {
    Kept kept{.numbers = false};
    auto &operands = kept.rounded[kOperands], &addends = kept.rounded[kAddends];
    bool is_added = false;
    std::vector<int> readers;  // of operands
    for (int r = written + 1; r < graph.size(); ++r) {
      const auto& inputs = graph[r].inputs;
      if (std::ranges::find(inputs, written) == inputs.end()) continue;
      if (finished.contain(r)) {
        is_added = true;
        if (!rounds[static_cast<std::size_t>(finished.writer_of(r))]) kept.numbers = true;
        continue;
      }
      const auto& wanted = reads[static_cast<std::size_t>(r)];
      if (wanted && (!operands || operands->lies_as(*wanted))) {
        const auto behind = operands ? operands->behind : 0;
        operands = wanted;
        operands->behind = std::max(operands->behind, behind);
        readers.push_back(r);
      } else {
        kept.numbers = true;
      }
    }
    if (!operands) return;  // rounding gains nothing
    if (is_added && !kept.numbers) {
      if (!operands->bytes) {
        kept.added_from = kOperands;
      } else if (halves) {
        kept.added_from = kAddends;
        const Shape& shape = operands->shape;
        addends = RoundedLayout{.shape = shape, .depth = shape.channels, .filled = shape.channels};
      } else {
        kept.numbers = true;
      }
    }
    for (const int r : readers) reads_operands_[static_cast<std::size_t>(r)] = true;
    kept_[static_cast<std::size_t>(written)] = kept;
  }

  std::vector<Kept> kept_;            // by graph index
  std::vector<bool> reads_operands_;  // by graph index: convolutions
};

}  // namespace serpette::deploy
