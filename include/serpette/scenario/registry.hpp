#pragma once

#include <boost/hana/for_each.hpp>
#include <boost/hana/tuple.hpp>
#include <string_view>

#include "serpette/prune/limits.hpp"
#include "serpette/scenario/catalogue.hpp"
#include "serpette/scenario/list.hpp"
#include "serpette/scenario/paper.hpp"

namespace serpette {

/// What shipped scenarios leave whole: the layers that read the image and those that heads read, a
/// hundredth of the weights or so. Ranked like all others, HYDRA and magnitude take nearly all of
/// them from 85 % on, and such networks see nothing (docs/results/photographs). The paper spares
/// none, which is `--allocation-spare-first=false --allocation-spare-heads=false`.
inline constexpr Limits kSpared{.spare_heads = true, .spare_first = true};

/// A shipped scenario: what it does under the names that the catalogue has for its id. An id that
/// is not in the catalogue does not compile.
template <AnyScenario S>
consteval Registered<S> shipped(std::string_view id, S scenario = {}) {
  const auto entry = catalogued(id).value();
  scenario.allocation.limits = kSpared;
  return {entry.id, entry.label, entry.paper == InPaper::kTables, scenario};
}

/// The shipped scenarios, in the catalogue's order: the one list of what they do. Programs and
/// their names follow from it. A user's own is `boost::hana::append(kScenarios,
/// Registered<Mine>{"mine", "Mine", false})`.
inline constexpr auto kScenarios = boost::hana::make_tuple(
    shipped<UnstructuredDeepLift>("unstructured_deeplift"),
    shipped<UnstructuredHydra>("unstructured_hydra"),
    shipped<StructuredDeepLift>("structured_deeplift"),
    shipped<StructuredHydra>("structured_hydra"),
    shipped<UnstructuredDeepLiftGreyscale>("unstructured_deeplift_greyscale"),
    shipped<KernelDeepLift>("kernel_deeplift"), shipped<KernelHydra>("kernel_hydra"),
    shipped<UnstructuredMagnitude>("unstructured_magnitude"),
    shipped<StructuredDeepLiftGreyscale>("structured_deeplift_greyscale"),
    shipped<UnstructuredDeepLift>("unstructured_deeplift_box",
                                  {.score = {.target = Target::kDetectionAndBox}}),
    shipped<UnstructuredHydra>("unstructured_hydra_lamp",
                               {.allocation = {.kind = AllocationKind::kLamp}}),
    shipped<StructuredHydra>("structured_hydra_lamp",
                             {.allocation = {.kind = AllocationKind::kLamp}}));

namespace detail {
/// Whether registry and catalogue have the same ids in the same order; `original` alone, the
/// network that is not pruned, is no scenario.
consteval bool registry_is_catalogue() {
  std::size_t place = 0;
  bool equal = true;
  boost::hana::for_each(kScenarios, [&](const auto& entry) {
    while (place < kCatalogue.size() && kCatalogue[place].id == kOriginal) ++place;
    equal = equal && place < kCatalogue.size() && kCatalogue[place].id == entry.id;
    ++place;
  });
  return equal && place == kCatalogue.size();
}
static_assert(registry_is_catalogue(), "every scenario of the catalogue should be registered");
}  // namespace detail

}  // namespace serpette
