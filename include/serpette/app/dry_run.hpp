#pragma once

#include <fmt/core.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <type_traits>
#include <vector>

#include "serpette/graph/footprint.hpp"
#include "serpette/method/loader.hpp"
#include "serpette/method/train.hpp"
#include "serpette/metric/stopwatch.hpp"
#include "serpette/study/progress.hpp"
#include "serpette/study/sweep.hpp"

/// @file
/// What a study would cost, listed cell by cell, without running it. One step of robust training
/// is timed per scenario, and all else is counted in such steps.

namespace serpette::cli {

/// Seconds that one step of a scenario's robust training takes: the second of two, which finds the
/// caches warm.
template <AnyScenario S, Detector D, Dataset Train, Dataset Test>
double seconds_of_step(const S& scenario, const Experiment<D, Train, Test>& experiment) {
  auto once = experiment.budget.finetune;
  once.steps = 1;
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

/// What a cell costs in steps of robust training, but for its pre-training: fine-tuning, score
/// training where there is one, and two evaluations, each about a step per batch.
template <AnyScenario S, Detector D, Dataset Train, Dataset Test>
double steps_of_cell(const S&, const Experiment<D, Train, Test>& experiment) {
  const Budget& b = experiment.budget;
  const auto images = b.evaluate.images > 0
                          ? std::min<std::int64_t>(b.evaluate.images, experiment.test.size())
                          : experiment.test.size();
  auto steps = static_cast<double>(b.finetune.steps) +
               2.0 * static_cast<double>(images) / static_cast<double>(b.finetune.batch_size);
  if constexpr (req::TrainsScores<ScoreOf<S>>) steps += static_cast<double>(b.scores.steps);
  return steps;
}

/// Lists the cells of a plan: which are finished, which failed, and what the others will cost. The
/// first cell of a robust pre-training bears it.
/// @param dispatch  `dispatch(id, visit)` calls `visit(scenario)` with the scenario of that id.
template <Detector D, Dataset Train, Dataset Test, class Dispatch>
void print_plan(const std::vector<CellId>& plan, const Experiment<D, Train, Test>& experiment,
                const Store& store, bool retry_failed, int workers, const Dispatch& dispatch) {
  if (workers > 1) at::set_num_threads(1);  // as each of them will have
  std::map<std::string, double> step;
  std::set<std::string> pretrained;
  double total = 0;
  std::int64_t open = 0;
  for (const auto& id : plan) {
    const CellFiles files(store, id);
    if (files.finished()) {
      fmt::print("{}  finished\n", id.folder());
      continue;
    }
    if (files.failed() && !retry_failed) {
      fmt::print("{}  failed before; --retry-failed tries it again\n", id.folder());
      continue;
    }
    double seconds = 0;
    dispatch(id.scenario, [&](const auto& scenario) {
      if (!step.contains(id.scenario)) step[id.scenario] = seconds_of_step(scenario, experiment);
      auto steps = steps_of_cell(scenario, experiment);
      const auto key = stage_keys(scenario, experiment, id).pretraining;
      if (!store.has("pretrain", key) && pretrained.insert(key).second)
        steps += static_cast<double>(experiment.budget.pretrain.steps);
      seconds = steps * step[id.scenario];
    });
    fmt::print("{}  about {}\n", id.folder(), clock_text(seconds));
    total += seconds;
    ++open;
  }
  constexpr double kFloat = 4;  // the network of every cell is kept
  fmt::print("{} cells left: about {} with {} at once, {:.1f} GB of disk\n", open,
             clock_text(total / workers), workers,
             static_cast<double>(open) * kFloat *
                 static_cast<double>(parameters(experiment.pretrained.graph())) / 1e9);
}

}  // namespace serpette::cli
