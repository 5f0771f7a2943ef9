#pragma once

#include <fmt/core.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "serpette/app/dry_run.hpp"
#include "serpette/app/load_experiment.hpp"
#include "serpette/core/reused_memory.hpp"
#include "serpette/deploy/plan.hpp"
#include "serpette/graph/footprint.hpp"
#include "serpette/scenario/registry.hpp"
#include "serpette/study/grid.hpp"
#include "serpette/study/progress.hpp"
#include "serpette/study/sweep.hpp"
#include "serpette/study/time_again.hpp"

namespace serpette::cli {

/// What readers know scenarios by.
struct ScenarioTexts {
  std::vector<std::string> labels;
  std::string settings;  ///< One `scenario id: settings` a line.
};

/// @throws Error  if an id is unknown, two scenarios have the same settings, or an option was given
/// that none of them has.
template <class Registry>
ScenarioTexts scenario_texts(const Registry& registry, const std::vector<std::string>& ids,
                             const PolicyOptions& policies) {
  ScenarioTexts texts;
  std::set<std::string> seen;
  for (const auto& id : ids)
    with_scenario(registry, id, [&](const auto& entry) {
      const auto settings = settings_text(policies.apply_to(entry.scenario));
      require(seen.insert(settings).second, "--scenarios",
              "should be scenarios that differ, got {} after one of the same settings", id);
      texts.labels.emplace_back(entry.label);
      texts.settings += fmt::format("scenario {}: {}\n", id, settings);
    });
  policies.require_used(fmt::format("{}", fmt::join(ids, ", ")));
  return texts;
}

/// Small networks keep one core busy each; large ones are faster one at a time on all cores. On a
/// GPU one at a time.
inline int workers_for(const LoadedExperiment& loaded) {
  constexpr std::int64_t kSmall = 500'000'000;
  const bool small = loaded.device.is_cpu() && macs(loaded.detector.graph()) < kSmall;
  return small ? std::max(1, static_cast<int>(std::thread::hardware_concurrency())) : 1;
}

/// What is timed on a CPU: every layer in the form that is fastest at its sparsity.
inline Deployed deploy_plan(const Yolov3& detector) {
  auto plan = std::make_shared<deploy::Plan>(deploy::make_plan(detector));
  return [plan](const at::Tensor& images) { return plan->forward(images); };
}

/// Names the cells of a plan that are not finished.
/// @return  how many they are.
inline std::int64_t name_missing(const std::vector<CellId>& plan, const Store& store) {
  std::int64_t missing = 0;
  for (const auto& id : plan)
    if (const CellFiles files(store, id); !files.finished()) {
      fmt::print(stderr, "missing: {}{}\n", id.folder(),
                 files.failed() ? " (failed: " + files.failure() + ")" : "");
      ++missing;
    }
  return missing;
}

/// Runs the cells of some scenarios of a registry and writes the tables and the sample grid.
/// @return  exit status: 0, or 1 if a cell failed, or 130 if people stopped it.
template <class Registry>
int run_scenarios(const Registry& registry, const std::vector<std::string>& ids,
                  const ExperimentOptions& o) {
  const ReusedMemory memory;  // before any thread starts
  const auto loaded = load_experiment(o);
  const auto texts = scenario_texts(registry, ids, o.policies);
  const bool fresh = !std::filesystem::exists(o.out / "configuration.txt");
  const Store store(o.out, loaded.configuration + texts.settings, o.part.name());
  Experiment<Yolov3, CocoFolder, CocoFolder> experiment{
      loaded.detector, loaded.train,  loaded.test,         loaded.budget,
      Seed(o.seed),    loaded.device, loaded.configuration};
  if (loaded.device.is_cpu()) experiment.deploy = deploy_plan;
  const auto dispatch = [&](const std::string& id, const auto& visit) {
    with_scenario(registry, id,
                  [&](const auto& entry) { visit(o.policies.apply_to(entry.scenario)); });
  };
  const auto plan =
      shard_of(plan_cells(ids, o.runs, loaded.ratios, Seed(o.seed)), o.part.shard, o.part.shards);
  const int workers = o.workers > 0 ? o.workers : workers_for(loaded);
  if (o.part.dry_run) {
    print_plan(plan, experiment, store, o.retry_failed, workers, dispatch);
    if (fresh) std::filesystem::remove(o.out / "configuration.txt");  // nothing was begun
    return 0;
  }

  Progress progress(o.part.time_again ? 0 : static_cast<std::int64_t>(plan.size()));
  std::int64_t unfinished = 0;
  try {
    if (o.part.time_again) {
      if (workers > 1) at::set_num_threads(1);  // as each of them had
      unfinished = time_again(plan, experiment, store, progress, dispatch);
    } else {
      unfinished = o.part.collect ? name_missing(plan, store)
                                  : run_cells(plan, experiment, store, o.retry_failed, workers,
                                              progress, dispatch);
    }
  } catch (const Interrupted&) {
    progress.clear();
    if (o.part.whole()) write_tables(store, ids, o.runs, loaded.ratios);
    fmt::print(stderr,
               "stopped; what is done is kept in {}. Run the same command again to go on.\n",
               o.out.string());
    return 130;
  }
  progress.clear();
  fmt::print("{} of {} cells in {}\n", static_cast<std::int64_t>(plan.size()) - unfinished,
             plan.size(), clock_text(progress.seconds()));
  if (o.part.whole()) {
    write_tables(store, ids, o.runs, loaded.ratios);
    write_grid(store, ids, texts.labels, loaded.ratios);
    fmt::print("tables: {}\n", (o.out / "cells.csv").string());
  }
  for (const auto& [what, data] :
       {std::pair{"training", &loaded.train}, std::pair{"test", &loaded.test}})
    if (const auto n = data->unreadable().size(); n > 0)
      fmt::print(stderr, "{} {} images are damaged and were left out\n", n, what);
  if (unfinished > 0 && !o.part.collect && !o.part.time_again)
    fmt::print(
        stderr,
        "{} cells failed (cells/*/failed.txt says why); try them again with --retry-failed\n",
        unfinished);
  return unfinished > 0 ? 1 : 0;
}

}  // namespace serpette::cli
