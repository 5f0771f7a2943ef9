#pragma once

/// @internal How what a plan file holds as places in other arrays is checked.

#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <string_view>

#include "serpette/core/contract.hpp"

namespace serpette::deploy {

/// @param what   the places are of.
/// @param most   the last of them; −1: there is none.
/// @param place  what an Error calls the file.
/// @throws Error  unless all lie in 0 … most.
inline void require_indices(std::string_view what, std::span<const std::int32_t> indices,
                            std::int64_t most, std::string_view place) {
  constexpr std::int64_t kLargest = std::numeric_limits<std::int32_t>::max();
  const auto last = static_cast<std::uint32_t>(std::clamp<std::int64_t>(most, -1, kLargest));
  std::uint32_t signs = 0;  // of each, and of how far it is from the last: no branch, whole vectors
  for (const auto i : indices)
    signs |= static_cast<std::uint32_t>(i) | (last - static_cast<std::uint32_t>(i));
  if (signs >> 31 == 0) return;
  const auto found = std::ranges::find_if(indices, [&](auto i) { return i < 0 || i > most; });
  fail(place, "should hold {} from 0 to {}, got {}", what, most, *found);
}

/// @throws Error  unless each is larger than the one before it.
inline void require_ascending(std::string_view what, std::span<const std::int32_t> indices,
                              std::string_view place) {
  const auto found = std::ranges::adjacent_find(indices, std::ranges::greater_equal());
  if (found == indices.end()) return;
  fail(place, "should hold lists of {} in ascending order, got {} behind {}", what, found[1],
       found[0]);
}

/// @param starts  where lists begin, and the end of the last; at least one.
/// @param what    the lists are of.
/// @param first   where the first list begins.
/// @param most    where the last may end.
/// @throws Error  unless they are such.
inline void require_starts(std::string_view what, std::span<const std::int64_t> starts,
                           std::int64_t first, std::int64_t most, std::string_view place) {
  require(starts.front() == first && std::ranges::is_sorted(starts) && starts.back() <= most, place,
          "should hold lists of {} that follow each other from {} to at most {}, got some from {} "
          "to {}",
          what, first, most, starts.front(), starts.back());
}

}  // namespace serpette::deploy
