#pragma once

#include <boost/hana/tuple.hpp>

#include "serpette/concepts/registry.hpp"
#include "serpette/score/batch_norm_gamma.hpp"
#include "serpette/score/deep_lift.hpp"
#include "serpette/score/deep_lift_layer.hpp"
#include "serpette/score/deep_lift_trained.hpp"
#include "serpette/score/hydra.hpp"
#include "serpette/score/hydra_untrained.hpp"
#include "serpette/score/magnitude.hpp"
#include "serpette/score/random.hpp"
#include "serpette/score/snip.hpp"
#include "serpette/score/taylor.hpp"

namespace serpette {

/// Every score that ships, by the word that people type. A user's own joins with
/// `boost::hana::append(kScores, Entry<Mine>{"mine"})`.
inline constexpr auto kScores = boost::hana::make_tuple(
    Entry<Random>{"random"}, Entry<Magnitude>{"magnitude"}, Entry<BatchNormGamma>{"bn-gamma"},
    Entry<Snip>{"snip"}, Entry<Taylor>{"taylor"}, Entry<HydraUntrained>{"hydra-untrained"},
    Entry<Hydra>{"hydra"}, Entry<DeepLift>{"deeplift"},
    Entry<DeepLiftOfFilters>{"deeplift-filters"}, Entry<DeepLiftLayer>{"deeplift-layer"},
    Entry<DeepLiftTrained>{"deeplift-trained"});

}  // namespace serpette
