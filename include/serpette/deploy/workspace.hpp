#pragma once

/// @internal Where plan.hpp lays out its buffers.

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "serpette/graph/graph.hpp"
#include "serpette/torch/tensor.hpp"

namespace serpette::deploy {

/// Buffers for the outputs of a network's layers, one image at a time, laid out once: outputs that
/// do not live at the same time share memory, so that it stays in the cache and is never returned
/// to the system.
class Workspace {
 public:
  Workspace() = default;

  /// @param writes  per layer, the layer whose output its execution fills, −1 for layers without a
  /// buffer: a
  ///                convolution that finishes a shortcut fills the shortcut's.
  Workspace(const Graph& graph, const std::vector<int>& writes) : buffers_(graph.layers.size()) {
    // A route of one input and a head hand on their input's memory: whoever reads them reads it.
    std::vector<int> owner(graph.layers.size()), last_use(graph.layers.size(), -1);
    for (int i = 0; i < graph.size(); ++i) {
      const Layer& layer = graph[i];
      const bool hands_on = visit(
          layer,
          [](const OneOf<Convolutional, Shortcut, Upsample, MaxPool> auto&) { return false; },
          [&](const Route&) { return layer.inputs.size() == 1; }, [](const Yolo&) { return true; });
      const int from = layer.inputs.front();
      owner[static_cast<std::size_t>(i)] =
          hands_on && from != kImage ? owner[static_cast<std::size_t>(from)] : i;
      for (const int j : layer.inputs)
        if (j != kImage) last_use[static_cast<std::size_t>(owner[static_cast<std::size_t>(j)])] = i;
    }

    struct Slot {
      std::int64_t floats = 0;
      int busy_until = -1;
    };
    std::vector<Slot> slots;
    std::vector<std::size_t> slot_of(graph.layers.size());
    for (int i = 0; i < graph.size(); ++i) {
      const int target = writes[static_cast<std::size_t>(i)];
      if (target < 0) continue;
      const std::int64_t needed = floats(graph, target);
      // Of the free slots the smallest that is large enough, else the largest, which grows.
      std::size_t best = slots.size();
      for (std::size_t s = 0; s < slots.size(); ++s) {
        if (slots[s].busy_until >= i) continue;
        const auto fits = [&](std::size_t k) { return slots[k].floats >= needed; };
        if (best == slots.size() ||
            (fits(s) && (!fits(best) || slots[s].floats < slots[best].floats)) ||
            (!fits(best) && slots[s].floats > slots[best].floats))
          best = s;
      }
      if (best == slots.size()) slots.emplace_back();
      slots[best].floats = std::max(slots[best].floats, needed);
      slots[best].busy_until = std::max(last_use[static_cast<std::size_t>(target)], i);
      slot_of[static_cast<std::size_t>(target)] = best;
    }
    std::vector<at::Tensor> memory;
    for (const Slot& slot : slots) memory.push_back(at::empty({slot.floats}));
    for (const int target : writes) {
      if (target < 0) continue;
      const Shape& s = graph.shape(target);
      buffers_[static_cast<std::size_t>(target)] = memory[slot_of[static_cast<std::size_t>(target)]]
                                                       .narrow(0, 0, floats(graph, target))
                                                       .view({1, s.channels, s.height, s.width});
    }
  }

  /// [1, C, H, W] for the output of a layer; undefined for layers without a buffer.
  [[nodiscard]] const at::Tensor& buffer(int layer) const {
    return buffers_[static_cast<std::size_t>(layer)];
  }

 private:
  static std::int64_t floats(const Graph& graph, int i) {
    const Shape& s = graph.shape(i);
    return std::int64_t{s.channels} * s.height * s.width;
  }

  std::vector<at::Tensor> buffers_;  // by graph index
};

}  // namespace serpette::deploy
