#pragma once

#include <ATen/ops/rand.h>

#include "serpette/laws/prune_granularity.hpp"
#include "support/reference_network.hpp"

namespace serpette::test {

/// Random images [n, C, H, W] in [0, 1] of a network's input, always the same.
inline at::Tensor images_for(const Graph& g, int n) {
  Generator rng(Seed(5));
  return at::rand({n, g.input.channels, g.input.height, g.input.width}, rng.torch());
}

/// The network masked by random scores, always the same.
template <class Granularity>
ReferenceNetwork pruned(const ReferenceNetwork& network, Granularity granularity, int percent) {
  return network.masked(make_mask(network.graph(), laws::random_scores(network.graph(), Seed(9)),
                                  Ratio::percent(percent), granularity));
}

}  // namespace serpette::test
