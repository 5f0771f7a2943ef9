#pragma once

#include <string>

#include "serpette/attack/no_attack.hpp"
#include "serpette/color/rgb.hpp"
#include "serpette/prune/weight.hpp"
#include "serpette/scenario/scenario.hpp"
#include "serpette/score/magnitude.hpp"

/// The same scenario in two sources: every function of the headers they share is defined in both.
using Mine =
    serpette::Scenario<serpette::Magnitude, serpette::Weight, serpette::NoAttack, serpette::Rgb>;

std::string describe_elsewhere(const Mine& mine);
