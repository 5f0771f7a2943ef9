#include "support/shipped_scenario.hpp"

#include "serpette/app/scenario_main.hpp"
#include "support/instances.hpp"

namespace serpette::cli {

int shipped_scenario(const char* id, int argc, char** argv) {
  return scenario_main(kScenarios, id, argc, argv);
}

}  // namespace serpette::cli
