// expect-error: SaysPieces, NoAttack
#include "serpette/attack/no_attack.hpp"
#include "serpette/color/rgb.hpp"
#include "serpette/prune/weight.hpp"
#include "serpette/scenario/scenario.hpp"
#include "serpette/score/magnitude.hpp"

#ifdef PASSING_TWIN
using Mine =
    serpette::Scenario<serpette::Magnitude, serpette::Weight, serpette::NoAttack, serpette::Rgb>;
#else
using Mine =
    serpette::Scenario<serpette::Magnitude, serpette::NoAttack, serpette::Weight, serpette::Rgb>;
#endif
Mine mine;
