#pragma once

#include "serpette/scenario/list.hpp"

namespace serpette::cli {

/// The shipped scenarios, of `kScenarios`; compiled once for all programs.
const ScenarioList& shipped_scenarios();

}  // namespace serpette::cli
