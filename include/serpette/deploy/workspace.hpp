#pragma once

/// @internal Where plan.hpp lays out its buffers.

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "serpette/deploy/form.hpp"
#include "serpette/graph/graph.hpp"
#include "serpette/torch/tensor.hpp"

namespace serpette::deploy {

/// A map that lives from one layer's turn to another's, both included.
struct Lifetime {
  Shape shape;
  Layout layout = Layout::kPlanes;
  int from = 0, until = 0;
};

/// Buffers for maps of one image, laid out once: those that do not live at the same time share
/// memory, so that it stays in the cache and is never returned to the system.
/// @param lifetimes  in the order in which they begin.
/// @return           [1, C, H, W] each, in its layout.
inline std::vector<at::Tensor> buffers(const std::vector<Lifetime>& lifetimes) {
  struct Slot {
    std::int64_t floats = 0;
    int busy_until = -1;
  };
  const auto floats = [](const Shape& s) { return std::int64_t{s.channels} * s.height * s.width; };
  std::vector<Slot> slots;
  std::vector<std::size_t> slot_of;
  for (const Lifetime& life : lifetimes) {
    const std::int64_t needed = floats(life.shape);
    // Of the free slots the smallest that is large enough, else the largest, which grows.
    std::size_t best = slots.size();
    for (std::size_t s = 0; s < slots.size(); ++s) {
      if (slots[s].busy_until >= life.from) continue;
      const auto fits = [&](std::size_t k) { return slots[k].floats >= needed; };
      if (best == slots.size() ||
          (fits(s) && (!fits(best) || slots[s].floats < slots[best].floats)) ||
          (!fits(best) && slots[s].floats > slots[best].floats))
        best = s;
    }
    if (best == slots.size()) slots.emplace_back();
    slots[best].floats = std::max(slots[best].floats, needed);
    slots[best].busy_until = life.until;
    slot_of.push_back(best);
  }
  std::vector<at::Tensor> memory, found;
  for (const Slot& slot : slots) memory.push_back(at::empty({slot.floats}));
  for (std::size_t i = 0; i < lifetimes.size(); ++i) {
    const auto& [shape, layout, from, until] = lifetimes[i];
    const std::int64_t c = shape.channels, h = shape.height, w = shape.width;
    const auto flat = memory[slot_of[i]].narrow(0, 0, c * h * w);
    found.push_back(layout == Layout::kPlanes ? flat.view({1, c, h, w})
                                              : flat.view({1, h, w, c}).permute({0, 3, 1, 2}));
  }
  return found;
}

}  // namespace serpette::deploy
