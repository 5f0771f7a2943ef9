#pragma once

#include <fmt/ranges.h>

#include <boost/hana/for_each.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/scenario/erased.hpp"

namespace serpette {

/// A scenario under the id people type and the label reports print: a type, and settings where they
/// are not its defaults.
template <AnyScenario S>
struct Registered {
  using type = S;
  std::string_view id, label;
  bool in_paper = true;  ///< One of the five of the paper's tables.
  S scenario{};
};

/// The same, its type erased.
struct ListedScenario {
  std::string id, label;
  bool in_paper;
  ErasedScenario scenario;

  template <AnyScenario S>
  ListedScenario(const Registered<S>& entry)  // NOLINT(google-explicit-constructor)
      : id(entry.id), label(entry.label), in_paper(entry.in_paper), scenario(entry.scenario) {}
};

/// Scenarios by their ids, in the order of tables: `{Registered<Mine>{"mine", "Mine", false}, …}`,
/// or `listed(kScenarios)`.
using ScenarioList = std::vector<ListedScenario>;

/// @param registry  a Hana tuple of `Registered<S>`.
template <class Registry>
ScenarioList listed(const Registry& registry) {
  ScenarioList list;
  boost::hana::for_each(registry, [&](const auto& entry) { list.emplace_back(entry); });
  return list;
}

/// The scenario of this id.
/// @throws Error  listing the known ids.
inline const ListedScenario& find_scenario(const ScenarioList& list, std::string_view id) {
  std::vector<std::string_view> known;
  for (const auto& entry : list) {
    if (entry.id == id) return entry;
    known.push_back(entry.id);
  }
  fail("scenario", "should be one of {}, got \"{}\"", fmt::join(known, ", "), id);
}

}  // namespace serpette
