#include "support/shipped_scenario.hpp"

#include "support/scenario_main.hpp"

namespace serpette::cli {

int shipped_scenario(const char* id, int argc, char** argv) {
  return scenario_main(kScenarios, id, argc, argv);
}

}  // namespace serpette::cli
