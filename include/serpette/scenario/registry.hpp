#pragma once

#include <boost/hana/for_each.hpp>
#include <boost/hana/tuple.hpp>
#include <boost/hana/type.hpp>

#include <string>
#include <string_view>
#include <vector>

#include "serpette/core/contract.hpp"
#include "serpette/scenario/paper.hpp"

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

/// The shipped scenarios, in the order of the paper's tables. A study runs over this tuple; a
/// user's own is `boost::hana::append(kScenarios, Registered<Mine>{"mine", "Mine", false})`.
inline constexpr auto kScenarios = boost::hana::make_tuple(
    Registered<UnstructuredDeepLift>{"unstructured_deeplift", "Unstructured DeepLIFT"},
    Registered<UnstructuredHydra>{"unstructured_hydra", "Unstructured HYDRA"},
    Registered<StructuredDeepLift>{"structured_deeplift", "Structured DeepLIFT"},
    Registered<StructuredHydra>{"structured_hydra", "Structured HYDRA"},
    Registered<UnstructuredDeepLiftGreyscale>{"unstructured_deeplift_greyscale",
                                              "Unstructured DeepLIFT Greyscale"},
    Registered<StructuredDeepLiftGreyscale>{"structured_deeplift_greyscale",
                                            "Structured DeepLIFT Greyscale", false},
    Registered<UnstructuredDeepLift>{"unstructured_deeplift_box",
                                     "Unstructured DeepLIFT with box",
                                     false,
                                     {.score = {.target = Target::kDetectionAndBox}}});

/// Calls `visit(entry)` with the registered scenario of this id; the one place where a run-time
/// name becomes a type.
/// @throws Error  listing the known ids.
template <class Registry, class Visit>
void with_scenario(const Registry& registry, std::string_view id, Visit&& visit) {
  bool found = false;
  std::vector<std::string_view> known;
  boost::hana::for_each(registry, [&](const auto& entry) {
    known.push_back(entry.id);
    if (entry.id != id || found) return;
    found = true;
    visit(entry);
  });
  require(found, "scenario", "should be one of {}, got \"{}\"", fmt::join(known, ", "), id);
}

}  // namespace serpette
