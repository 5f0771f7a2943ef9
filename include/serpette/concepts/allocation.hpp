#pragma once

#include <concepts>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "serpette/concepts/named.hpp"
#include "serpette/concepts/pieces.hpp"
#include "serpette/core/ratio.hpp"
#include "serpette/graph/graph.hpp"

namespace serpette {

namespace req {
/// `removed(graph, sets, importance, ratio)`: how many pieces of each set go.
template <class A>
concept SaysHowMany = requires(const A& a, const Graph& graph, const std::vector<PieceSet>& sets,
                               const Importance& importance, Ratio ratio) {
  { a.removed(graph, sets, importance, ratio) } -> std::same_as<std::vector<std::int64_t>>;
};
}  // namespace req

/// How much goes where. Which pieces of a set go is settled by their importance; how many of them,
/// an allocation says:
///
///     std::vector<std::int64_t> removed(graph, sets, importance, ratio) const
///
/// one count for each set, between 0 and its `removable`, 0 everywhere at ratio 0, and for no set
/// smaller at a larger ratio: then masks of one score set nest. The counts add up to the ratio of
/// all weights of the sets, or below it by less than a piece of each set. Integer arithmetic:
/// docs/policies/prune_granularity.md; laws in serpette/laws/allocation.hpp.
template <class A>
concept Allocation = req::Value<A> && req::Named<A> && req::SaysHowMany<A>;

/// Whether an allocation's rates are trained with the scores whatever its settings: `static
/// constexpr bool learns = true`.
template <Allocation A>
inline constexpr bool always_learns = requires {
  requires std::same_as<std::remove_cv_t<decltype(A::learns)>, bool>;
  requires A::learns;
};

/// Whether its rates are trained with the scores. Where settings decide, the policy has `bool
/// learns() const`.
template <Allocation A>
constexpr bool learns(const A& allocation) {
  if constexpr (always_learns<A>) return true;
  if constexpr (requires {
                  { allocation.learns() } -> std::same_as<bool>;
                })
    return allocation.learns();
  return false;
}

}  // namespace serpette
