#pragma once

#include <concepts>
#include <cstdint>

#include "serpette/concepts/named.hpp"
#include "serpette/core/ratio.hpp"
#include "serpette/graph/graph.hpp"
#include "serpette/graph/mask.hpp"

namespace serpette {

/// How much of what a granularity may prune is kept.
struct Kept {
  std::int64_t weights = 0;  ///< Kept weights of the convolutions the policy may prune.
  std::int64_t filters =
      0;  ///< Kept filters of those convolutions; a filter with one kept weight counts as kept.
};

namespace req {
/// `mask(graph, scores, ratio)`: what is kept; integer arithmetic, stable index tie-break.
template <class P>
concept MakesMask = requires(const P& p, const Graph& graph, const ScoreMap& scores, Ratio ratio) {
  { p.mask(graph, scores, ratio) } -> std::same_as<Mask>;
};
/// `kept(graph, mask)`: the achieved counts.
template <class P>
concept CountsKept = requires(const P& p, const Graph& graph, const Mask& mask) {
  { p.kept(graph, mask) } -> std::same_as<Kept>;
};
}  // namespace req

/// What is removed as one piece: a weight, a k×k kernel, a filter with its whole coupled group. A
/// policy whose removed pieces can be cut out of the network says `static constexpr bool
/// removes_filters = true`; the driver then compacts before it times and saves.
template <class P>
concept PruneGranularity =
    req::Value<P> && req::Named<P> && req::MakesMask<P> && req::CountsKept<P>;

template <PruneGranularity P>
inline constexpr bool removes_filters = requires { requires P::removes_filters; };

}  // namespace serpette
