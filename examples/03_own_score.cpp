// 03 Own score: a policy of one's own with a scenario's whole command line (--help lists it); what
// is in a policy, and how its laws are tested: docs/guides/custom_policy.md.
// [program]
#include <serpette/app/scenario_main.hpp>

#include "activity_weighted.hpp"

int main(int argc, char** argv) {
  return serpette::cli::scenario_main<Mine>("activity_weighted", "Structured activity weighted",
                                            argc, argv);
}
// [program]
