// expect-error: TrainsWithRates
#include "serpette/attack/fgsm.hpp"
#include "serpette/color/rgb.hpp"
#include "serpette/prune/learned.hpp"
#include "serpette/prune/weight.hpp"
#include "serpette/scenario/scenario.hpp"
#include "serpette/score/hydra.hpp"
#include "serpette/score/magnitude.hpp"

#ifdef PASSING_TWIN
using Score = serpette::Hydra;
#else
using Score = serpette::Magnitude;
#endif
using Mine = serpette::Scenario<Score, serpette::Weight, serpette::Fgsm, serpette::Rgb,
                                serpette::PgdAdversarial, serpette::Learned>;
Mine mine;
