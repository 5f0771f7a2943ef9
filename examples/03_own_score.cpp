// 03 Own score: another notion of which weights matter, with the whole command line of a scenario.
//
// A policy is a type: nothing to register, nothing to inherit. The one in activity_weighted.hpp
// says that a weight matters as far as it is large and fed by an active channel. Put into a
// Scenario it runs like those that ship: robust training, scores, mask, fine-tuning, evaluation,
// timing, with a checkpoint behind every stage. tests/unit/score/own_policies.cpp runs the laws on
// it; yours may include <serpette/laws/score_init.hpp> in the same way.
//
//   03_own_score --cfg F --weights F --images DIR --annotations F --test-images DIR
//                --test-annotations F --out DIR
// [program]
#include <serpette/app/scenario_main.hpp>

#include "activity_weighted.hpp"

int main(int argc, char** argv) {
  return serpette::cli::scenario_main<Mine>("activity_weighted", "Structured activity weighted",
                                            argc, argv);
}
// [program]
