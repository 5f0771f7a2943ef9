#pragma once

#include <string>
#include <vector>

#include "serpette/app/experiment_options.hpp"
#include "serpette/scenario/list.hpp"

/// @file
/// Compiled once, for Yolov3 on CocoFolder, in the library serpette::app (src/app/): what includes
/// this opens neither torch::nn nor the method.

namespace serpette::cli {

/// Refuses what can be refused of options alone, before any work is done.
/// @throws Error  if a scenario is unknown or stands twice, an option was given that none of them
/// has, or budget, ratios or device cannot be.
void check_options(const ScenarioList& scenarios, const std::vector<std::string>& ids,
                   const ExperimentOptions& options);

/// Runs the cells of some scenarios of a list and writes the tables and the sample grid.
/// @param ids  among them `original`, where the network as it came is to be measured, too.
/// @return     exit status: 0, or 1 if a cell failed, or 130 if people stopped it.
int run_scenarios(const ScenarioList& scenarios, const std::vector<std::string>& ids,
                  const ExperimentOptions& options);

/// Threads that a cell of this network is computed and timed on.
/// @param workers  as --workers: 0 for as many as suit the network.
int threads_of_cell(const Graph& graph, at::Device device, int workers);

}  // namespace serpette::cli
