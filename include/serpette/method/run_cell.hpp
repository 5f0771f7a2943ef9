#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "serpette/method/evaluate.hpp"
#include "serpette/method/stages.hpp"
#include "serpette/method/timing.hpp"

namespace serpette {

/// What training makes of a cell: the network as it runs, and what it took.
template <Detector D>
struct TrainedCell {
  D network;  ///< Compacted where the granularity removes filters.
  Kept kept{};
  double seconds_pretrain = 0, seconds_scores = 0, seconds_finetune = 0;
  std::int64_t unreadable = 0;  ///< Training images that were left out.
};

/// What measuring says of a network.
struct MeasuredCell {
  Evaluation clean, attacked;
  InferenceTime paper, standard;  ///< At the two profiles' thresholds.
};

/// A finished cell.
template <Detector D>
struct CellResult {
  TrainedCell<D> trained;
  MeasuredCell measured;
};

/// Robust training, scores, mask and robust fine-tuning: the paper's method, from the pre-trained
/// detector to the pruned one.
template <Detector D, Dataset Train, Dataset Test, StageStore Store, Observer O>
TrainedCell<D> train_cell(const ErasedScenario& scenario,
                          const Experiment<D, Train, Test>& experiment, const Store& store,
                          const CellId& id, O& observer) {
  const Cell cell(scenario, experiment, store, id, observer);
  D detector = experiment.start(scenario.color.name).clone();

  const auto pretraining = robust_pretraining(cell, detector);
  const auto scores = score_weights(cell, detector);
  const auto teacher = teacher_of(cell, detector);
  const auto rounds = early_rounds(cell, detector, scores, teacher);
  const auto trained = score_training(cell, detector, rounds, teacher);
  const auto mask = pruning_mask(cell, detail::scores_of(cell, trained.tensors));
  const auto finetuning = robust_finetuning(cell, detector, mask, teacher);

  if (scenario.pruning.removes_filters) detector = detector.compact(mask);
  return {std::move(detector),
          scenario.pruning.kept(experiment.pretrained.graph(), mask),
          pretraining.seconds,
          scores.seconds + trained.seconds,
          rounds.seconds + finetuning.seconds,
          std::max({pretraining.unreadable, scores.unreadable, rounds.unreadable,
                    trained.unreadable, finetuning.unreadable})};
}

/// The network as it came, neither trained robustly nor pruned: what all others are compared with.
/// @param scenario  whose start it is.
template <Detector D, Dataset Train, Dataset Test>
TrainedCell<D> original_cell(const ErasedScenario& scenario,
                             const Experiment<D, Train, Test>& experiment) {
  const D& start = experiment.start(scenario.color.name);
  Kept all;
  for (const int index : start.graph().convolutions()) {
    const auto weight = LayerParameters(start.layer(index)).weight;
    all.weights += weight.numel();
    all.filters += weight.size(0);
  }
  return {start.clone(), all};
}

/// The stages that all ratios of the cell's run share: robust pre-training and importance scores.
template <Detector D, Dataset Train, Dataset Test, StageStore Store, Observer O>
void prepare_run(const ErasedScenario& scenario, const Experiment<D, Train, Test>& experiment,
                 const Store& store, const CellId& id, O& observer) {
  const Cell cell(scenario, experiment, store, id, observer);
  D detector = experiment.start(scenario.color.name).clone();
  robust_pretraining(cell, detector);
  score_weights(cell, detector);
}

/// How long a network takes in the form it would be used in, while nothing else computes.
/// @return  at the paper's confidence and at the standard one.
template <Detector D, Dataset Train, Dataset Test, Observer O>
std::array<InferenceTime, 2> cell_times(const ErasedScenario& scenario,
                                        const Experiment<D, Train, Test>& experiment,
                                        const D& network, O& observer) {
  [[maybe_unused]] const auto machine = notify::alone(observer);
  const auto& settings = experiment.budget.evaluate;
  notify::stage(observer, "timing", settings.timing_images);
  return time_inference(network, experiment.deploy(network), experiment.test, scenario.color,
                        std::array{kPaperConfidence, kStandardConfidence}, settings,
                        experiment.device);
}

/// Average precision of a network on clean images and under the scenario's attack, and its times.
/// @param id  its run seeds the attack; nothing else of it matters.
template <Detector D, Dataset Train, Dataset Test, Observer O>
MeasuredCell measure_cell(const ErasedScenario& scenario,
                          const Experiment<D, Train, Test>& experiment, D& network,
                          const CellId& id, O& observer) {
  const auto& e = experiment;
  const auto seed =
      e.seed.derive("run").derive(static_cast<std::uint64_t>(id.run)).derive("evaluation");
  auto frozen = network.frozen();
  const auto evaluated = [&](const char* stage, const auto& attack) {
    notify::stage(observer, stage, evaluated_images(e.test, e.budget.evaluate));
    return evaluate(network, frozen, e.test, attack, scenario.color, e.budget.evaluate, seed,
                    e.device, observer);
  };
  auto clean = evaluated("evaluation", Unattacked{});
  auto attacked =
      scenario.attack.is_identity ? clean : evaluated("evaluation under attack", scenario.attack);
  const auto [paper, standard] = cell_times(scenario, e, network, observer);
  return {std::move(clean), std::move(attacked), paper, standard};
}

/// One cell, from the pre-trained detector to its numbers.
template <Detector D, Dataset Train, Dataset Test, StageStore Store, Observer O>
CellResult<D> run_cell(const ErasedScenario& scenario, const Experiment<D, Train, Test>& experiment,
                       const Store& store, const CellId& id, O& observer) {
  auto trained = train_cell(scenario, experiment, store, id, observer);
  auto measured = measure_cell(scenario, experiment, trained.network, id, observer);
  return {std::move(trained), std::move(measured)};
}

}  // namespace serpette
