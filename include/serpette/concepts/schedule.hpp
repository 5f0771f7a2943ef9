#pragma once

#include <concepts>
#include <vector>

#include "serpette/concepts/named.hpp"
#include "serpette/core/ratio.hpp"

namespace serpette {

namespace req {
/// `ratios(last)`: the ratio after each round, ascending; the last one is `last`.
template <class S>
concept SaysRounds = requires(const S& s, Ratio last) {
  { s.ratios(last) } -> std::same_as<std::vector<Ratio>>;
};
}  // namespace req

/// How a ratio is reached: at once, or in rounds of scoring, pruning and fine-tuning.
///
///     std::vector<Ratio> ratios(Ratio last) const
///
/// the ratio after each round. The rounds of a cell share its budget of training steps:
/// method/stages.hpp, docs/policies/prune_granularity.md.
template <class S>
concept Schedule = req::Value<S> && req::Named<S> && req::SaysRounds<S>;

}  // namespace serpette
