#include "support/shipped_scenarios.hpp"

#include "serpette/app/scenario_main.hpp"
#include "serpette/scenario/registry.hpp"
#include "support/shipped_scenario.hpp"

namespace serpette::cli {

const ScenarioList& shipped_scenarios() {
  static const ScenarioList list = listed(kScenarios);
  return list;
}

int shipped_scenario(const char* id, int argc, char** argv) {
  return scenario_main(find_scenario(shipped_scenarios(), id), argc, argv);
}

}  // namespace serpette::cli
