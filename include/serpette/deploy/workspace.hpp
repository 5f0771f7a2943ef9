#pragma once

/// @internal Where plan.hpp lays out its buffers.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "serpette/deploy/map.hpp"
#include "serpette/deploy/stored_array.hpp"
#include "serpette/graph/graph.hpp"

namespace serpette::deploy {

/// A map that lives from one layer's turn to another's, both included.
struct Lifetime {
  Shape shape;
  Layout layout = Layout::kPlanes;
  int from = 0, until = 0;
};

/// Buffers for maps of one image, laid out once: those that do not live at the same time share
/// memory, so that it stays in the cache and is never returned to the system.
struct Workspace {
  std::vector<AlignedZeros<float>> memory;
  std::vector<Map> maps;  ///< By lifetime.
};

/// @param lifetimes  in the order in which they begin.
inline Workspace workspace(const std::vector<Lifetime>& lifetimes) {
  struct Slot {
    std::int64_t floats = 0;
    int busy_until = -1;
  };
  std::vector<Slot> slots;
  std::vector<std::size_t> slot_of;
  for (const Lifetime& life : lifetimes) {
    const std::int64_t needed = ConstMap{nullptr, life.shape}.numbers();
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
  Workspace made;
  for (const Slot& slot : slots) made.memory.emplace_back(static_cast<std::size_t>(slot.floats));
  for (std::size_t i = 0; i < lifetimes.size(); ++i)
    made.maps.push_back(
        Map::dense(made.memory[slot_of[i]].data, lifetimes[i].shape, lifetimes[i].layout));
  return made;
}

}  // namespace serpette::deploy
