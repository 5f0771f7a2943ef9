#pragma once

/// @internal Where plan.hpp lays out its buffers.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "serpette/deploy/stored_array.hpp"

namespace serpette::deploy {

/// Memory that is needed from one layer's turn to another's, both included.
struct Lifetime {
  std::int64_t bytes = 0;
  int from = 0, until = 0;
};

/// Buffers for one image, laid out once: those that are not needed at the same time share memory,
/// so that it stays in the cache and is never returned to the system.
struct Workspace {
  std::vector<AlignedZeros<std::byte>> memory;
  std::vector<std::byte*> places;  ///< By lifetime.
};

/// @param lifetimes  in the order in which they begin.
inline Workspace workspace(const std::vector<Lifetime>& lifetimes) {
  struct Slot {
    std::int64_t bytes = 0;
    int busy_until = -1;
  };
  std::vector<Slot> slots;
  std::vector<std::size_t> slot_of;
  for (const Lifetime& life : lifetimes) {
    // Of the free slots the smallest that is large enough, else the largest, which grows.
    std::size_t best = slots.size();
    for (std::size_t s = 0; s < slots.size(); ++s) {
      if (slots[s].busy_until >= life.from) continue;
      const auto fits = [&](std::size_t k) { return slots[k].bytes >= life.bytes; };
      if (best == slots.size() ||
          (fits(s) && (!fits(best) || slots[s].bytes < slots[best].bytes)) ||
          (!fits(best) && slots[s].bytes > slots[best].bytes))
        best = s;
    }
    if (best == slots.size()) slots.emplace_back();
    slots[best].bytes = std::max(slots[best].bytes, life.bytes);
    slots[best].busy_until = life.until;
    slot_of.push_back(best);
  }
  Workspace made;
  for (const Slot& slot : slots) made.memory.emplace_back(static_cast<std::size_t>(slot.bytes));
  for (const auto slot : slot_of) made.places.push_back(made.memory[slot].data);
  return made;
}

}  // namespace serpette::deploy
