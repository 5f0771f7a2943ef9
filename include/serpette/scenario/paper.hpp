#pragma once

#include "serpette/attack/fgsm.hpp"
#include "serpette/attack/no_attack.hpp"
#include "serpette/attack/pgd.hpp"
#include "serpette/color/greyscale_rec601.hpp"
#include "serpette/color/rgb.hpp"
#include "serpette/prune/filter.hpp"
#include "serpette/prune/kernel.hpp"
#include "serpette/prune/weight.hpp"
#include "serpette/scenario/scenario.hpp"
#include "serpette/score/deep_lift.hpp"
#include "serpette/score/hydra.hpp"
#include "serpette/score/hydra_untrained.hpp"
#include "serpette/score/magnitude.hpp"
#include "serpette/score/random.hpp"

namespace serpette {

/// @name The paper's five scenarios (its section IV)
/// @{
using UnstructuredDeepLift = Scenario<DeepLift, Weight, Pgd, Rgb>;
using UnstructuredHydra = Scenario<Hydra, Weight, Pgd, Rgb>;
using StructuredDeepLift = Scenario<DeepLiftOfFilters, Filter, Pgd, Rgb>;
using StructuredHydra = Scenario<Hydra, Filter, Pgd, Rgb>;
using UnstructuredDeepLiftGreyscale = Scenario<DeepLift, Weight, Pgd, GreyscaleRec601>;
/// @}

/// What one list of the paper calls its fifth scenario; see docs/paper.md.
using StructuredDeepLiftGreyscale = Scenario<DeepLiftOfFilters, Filter, Pgd, GreyscaleRec601>;

/// @name Its structured scenarios taken literally: k×k kernels, not whole filters
/// @{
using KernelDeepLift = Scenario<DeepLift, Kernel, Pgd, Rgb>;
using KernelHydra = Scenario<Hydra, Kernel, Pgd, Rgb>;
/// @}

/// The classical baseline under the paper's training.
using UnstructuredMagnitude = Scenario<Magnitude, Weight, Pgd, Rgb>;

}  // namespace serpette
