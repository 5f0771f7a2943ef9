#pragma once

#include "serpette/scenario/list.hpp"

namespace serpette::cli {

/// The shipped scenarios, of `kScenarios`; compiled once for all programs.
const ScenarioList& shipped_scenarios();

/// The program of one of them, by its command-line id.
int shipped_scenario(const char* id, int argc, char** argv);

}  // namespace serpette::cli
