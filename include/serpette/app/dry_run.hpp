#pragma once

#include <ATen/Parallel.h>
#include <fmt/core.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <type_traits>
#include <vector>

#include "serpette/core/counted.hpp"
#include "serpette/graph/footprint.hpp"
#include "serpette/method/loader.hpp"
#include "serpette/method/train.hpp"
#include "serpette/metric/stopwatch.hpp"
#include "serpette/study/progress.hpp"
#include "serpette/study/status.hpp"
#include "serpette/study/sweep.hpp"

/// @file
/// What a study would cost, listed cell by cell, without running it. One step of robust training
/// is timed per scenario, and all else is counted in such steps (study/estimate.hpp).

namespace serpette::cli {

/// Seconds that one step of a scenario's robust training takes: the second of two, which finds the
/// caches warm.
template <Detector D, Dataset Train, Dataset Test>
double seconds_of_step(const ErasedScenario& scenario,
                       const Experiment<D, Train, Test>& experiment) {
  auto once = experiment.budget.finetune;
  once.steps = 1;
  once.statistics_images = 0;  // once before all steps
  auto detector = experiment.pretrained.clone();
  Loader<Train> loader(experiment.train, once.batch_size, Seed(0), 1);
  Silent silent;
  double seconds = 0;
  for (int i = 0; i < 2; ++i) {
    const Stopwatch watch;
    train(
        detector, MovedWeights(detector), [&] { return loader.next(); }, defence_of(scenario), once,
        Seed(0), experiment.device, silent);
    seconds = watch.seconds();
  }
  return seconds;
}

/// Lists the cells of a plan: which are finished, which failed, and what the others will cost. The
/// first cell of a robust pre-training bears it.
/// @param dispatch  `dispatch(id, visit)` calls `visit(scenario)` with the scenario of that id.
template <Detector D, Dataset Train, Dataset Test, class Dispatch>
void print_plan(const std::vector<PlannedCell>& plan, const Experiment<D, Train, Test>& experiment,
                const Store& store, bool retry_failed, const Workers& workers,
                const Dispatch& dispatch) {
  at::set_num_threads(workers.threads);  // as each of them will have
  std::map<std::string, double> step;
  std::set<std::string> pretrained, finetuned;
  double total = 0;
  std::int64_t open = 0;
  for (const auto& cell : plan) {
    const auto name = cell_folder(cell.id);
    const CellFiles files(store.root(), cell);
    if (files.finished()) {
      fmt::print("{}  finished\n", name);
      continue;
    }
    if (const auto why = files.failure(); why && !retry_failed) {
      fmt::print("{}  failed before ({}); --retry-failed tries it again\n", name, *why);
      continue;
    }
    Estimate estimate;
    estimate.weigh(experiment.suite);
    dispatch(cell.id.scenario, [&](const auto& scenario) {
      const auto& id = cell.id.scenario;
      if (!step.contains(id)) step[id] = seconds_of_step(scenario, experiment);
      estimate.did("robust fine-tuning", 1, step[id]);
      auto work = work_of(scenario, experiment, store, cell);
      if (!finetuned.insert(cell.keys.finetuning).second) work.erase("robust fine-tuning");
      estimate.plan(work);
      if (!files.trained() && pretrained.insert(cell.keys.pretraining).second)
        estimate.plan(pretraining_work(experiment.budget, store, cell.keys));
    });
    const double seconds = estimate.left(1);
    fmt::print("{}  {}about {}\n", name,
               files.timed()       ? "under the suite, "
               : files.evaluated() ? "to be timed anew, "
               : files.trained()   ? "to be measured anew, "
                                   : "",
               clock_text(seconds));
    total += seconds;
    ++open;
  }
  fmt::print("what is there and holds:\n{}", status_of(store.root(), plan).text());
  double passes = 0;
  for (const Trial& trial : experiment.suite) passes += trial.passes;
  if (passes > 0)
    fmt::print("suite: {} attacks, up to {:.0f} forward and backward passes an image\n",
               experiment.suite.size() - 1, passes);
  constexpr double kFloat = 4;  // the network of every cell is kept
  fmt::print("{} left: about {} with {} at once, {:.1f} GB of disk\n", counted(open, "cell"),
             clock_text(total / workers.count), workers.count,
             static_cast<double>(open) * kFloat *
                 static_cast<double>(parameters(experiment.pretrained.graph())) / 1e9);
}

}  // namespace serpette::cli
