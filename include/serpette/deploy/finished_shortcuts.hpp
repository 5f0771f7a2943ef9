#pragma once

/// @internal Which additions cost a plan nothing.

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <optional>
#include <variant>
#include <vector>

#include "serpette/graph/graph.hpp"

namespace serpette::deploy {

/// Shortcuts whose later input is a convolution that nothing else reads, of a form that adds
/// residuals: it finishes the shortcut in passing, and writes the sum alone.
class FinishedShortcuts {
 public:
  static constexpr int kNone = -1;

  FinishedShortcuts() = default;
  /// @param adds_residual  by graph index, whether the convolution's form can.
  FinishedShortcuts(const Graph& graph, const std::vector<bool>& adds_residual)
      : writer_of_(graph.layers.size()),
        shortcut_of_(graph.layers.size(), kNone),
        added_by_(graph.layers.size()) {
    std::iota(writer_of_.begin(), writer_of_.end(), 0);
    std::vector<int> readers(graph.layers.size(), 0);
    for (const Layer& layer : graph.layers)
      for (const int j : layer.inputs)
        if (j != kImage) ++readers[static_cast<std::size_t>(j)];
    for (const int i : graph.all<Shortcut>()) {
      const auto& inputs = graph[i].inputs;
      const auto [other, last] = std::minmax(inputs[0], inputs[1]);
      if (last == other || last == kImage || readers[static_cast<std::size_t>(last)] != 1) continue;
      if (graph.shape(last) != graph.shape(other)) continue;
      if (!adds_residual[static_cast<std::size_t>(last)]) continue;
      if (!is_piecewise_linear(graph.convolution(last).activation) ||
          !is_piecewise_linear(std::get<Shortcut>(graph[i].operation).activation))
        continue;
      shortcut_of_[static_cast<std::size_t>(last)] = i;
      added_by_[static_cast<std::size_t>(last)] = other;
      writer_of_[static_cast<std::size_t>(i)] = last;
    }
  }

  /// Whether a convolution finishes shortcut i.
  [[nodiscard]] bool contain(int i) const { return writer_of(i) != i; }
  /// The layer that writes layer i's output: that convolution, or itself.
  [[nodiscard]] int writer_of(int i) const { return writer_of_[static_cast<std::size_t>(i)]; }
  /// The shortcut that convolution i finishes, or kNone.
  [[nodiscard]] int by(int i) const { return shortcut_of_[static_cast<std::size_t>(i)]; }
  /// The layer, or kImage, whose output convolution i adds for the shortcut, if it finishes one.
  [[nodiscard]] std::optional<int> added_by(int i) const {
    return added_by_[static_cast<std::size_t>(i)];
  }
  /// The layer whose output convolution i writes: that shortcut, or itself.
  [[nodiscard]] int written_by(int i) const { return by(i) == kNone ? i : by(i); }

 private:
  // By graph index.
  std::vector<int> writer_of_, shortcut_of_;
  std::vector<std::optional<int>> added_by_;
};

}  // namespace serpette::deploy
