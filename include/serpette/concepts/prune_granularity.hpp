#pragma once

#include <concepts>
#include <type_traits>
#include <vector>

#include "serpette/concepts/named.hpp"
#include "serpette/concepts/pieces.hpp"
#include "serpette/graph/graph.hpp"
#include "serpette/graph/mask.hpp"

namespace serpette {

namespace req {
/// `pieces(graph)`: the sets of pieces that are ranked among themselves.
template <class P>
concept SaysPieces = requires(const P& p, const Graph& graph) {
  { p.pieces(graph) } -> std::same_as<std::vector<PieceSet>>;
};
/// `importance(graph, scores)`: how scores make a piece's importance.
template <class P>
concept WeighsPieces = requires(const P& p, const Graph& graph, const ScoreMap& scores) {
  { p.importance(graph, scores) } -> std::same_as<Importance>;
};
/// `mask(graph, choice)`: what is kept of the weights when these pieces are kept.
template <class P>
concept MakesMask = requires(const P& p, const Graph& graph, const Choice& choice) {
  { p.mask(graph, choice) } -> std::same_as<Mask>;
};
/// `removes_filters` and `removes_layers`, where they are, are static and known to the compiler:
/// any other would count as false.
template <class P>
concept RemovalFlagsAreConstants =
    (!requires { P::removes_filters; } ||
     requires { typename std::bool_constant<P::removes_filters>; }) &&
    (!requires { P::removes_layers; } ||
     requires { typename std::bool_constant<P::removes_layers>; });
}  // namespace req

/// What is removed as one piece: a weight, a k×k kernel, a filter with its whole coupled group.
/// `make_mask` (prune/mask.hpp) puts its three answers together, with an `Allocation` that says how
/// many pieces of each set go:
///
///     std::vector<PieceSet> pieces(graph) const
///     Importance importance(graph, scores) const
///         scores are contiguous float32 on the CPU, shaped like the weights; |score| ranks
///     Mask mask(graph, choice) const
///         on the CPU; of as many layers as the graph has convolutions
///
/// `importance` and `choice` have one tensor for every set, in the order of `pieces`. Optional:
///
///     static constexpr bool removes_filters = true
///         removed pieces can be cut out of the network: the driver compacts before it times and
///         saves
///     static constexpr bool removes_layers = true
///         and among them whole layers, of which no filter is kept
///     std::vector<std::int64_t> counts(graph, sets, ratio, allocate) const
///         where the ratio is no share of the sets' weights (`Filter`: of parameters);
///         `allocate(Ratio)` are the allocation's counts
///     Mask composed(graph, scores, ratio, allocation) const
///         where one mask follows another (hybrids)
///     Levelled ranks() const
///         whether it compares filters, or layers: scores that make these equal are refused
template <class P>
concept PruneGranularity =
    req::Value<P> && req::Named<P> && req::SaysPieces<P> && req::WeighsPieces<P> &&
    req::MakesMask<P> && req::RemovalFlagsAreConstants<P>;

/// What the granularity has to tell apart, of what scores may have made equal.
template <PruneGranularity P>
constexpr Levelled ranks(const P& granularity) {
  if constexpr (requires {
                  { granularity.ranks() } -> std::same_as<Levelled>;
                })
    return granularity.ranks();
  return Levelled::kNothing;
}

template <PruneGranularity P>
inline constexpr bool removes_filters = requires { requires P::removes_filters; };
template <PruneGranularity P>
inline constexpr bool removes_layers = requires { requires P::removes_layers; };

}  // namespace serpette
