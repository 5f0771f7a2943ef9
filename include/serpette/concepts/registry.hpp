#pragma once

#include <fmt/ranges.h>

#include <boost/hana/for_each.hpp>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "serpette/core/contract.hpp"

namespace serpette {

/// A policy under the word that people type, with the settings it starts from. A registry of a
/// family is a Hana tuple of these: the one list from which programs take names, options and types.
template <class P>
struct Entry {
  using type = P;
  std::string_view id;
  P policy{};
};

/// The words of a registry, in its order.
template <class Registry>
std::vector<std::string> ids_of(const Registry& registry) {
  std::vector<std::string> ids;
  boost::hana::for_each(registry, [&](const auto& entry) { ids.emplace_back(entry.id); });
  return ids;
}

/// Calls `visit(entry)` with the entry of this word: where a run-time name becomes a type.
/// @param place    what errors call it.
/// @throws Error  listing the known words.
template <class Registry, class Visit>
void with_entry(const Registry& registry, std::string_view place, std::string_view id,
                Visit&& visit) {
  const auto known = ids_of(registry);
  require(std::ranges::find(known, id) != known.end(), place, "should be one of {}, got \"{}\"",
          fmt::join(known, ", "), id);
  boost::hana::for_each(registry, [&](const auto& entry) {
    if (entry.id == id) visit(entry);
  });
}

}  // namespace serpette
