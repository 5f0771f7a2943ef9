#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "serpette/core/ratio.hpp"
#include "serpette/method/evaluate.hpp"
#include "serpette/method/trial.hpp"
#include "serpette/study/cell_files.hpp"
#include "serpette/study/store.hpp"

namespace serpette {

/// Steps of stages, by the names that observers hear: optimizer steps of training, images of
/// evaluation and timing.
using Work = std::map<std::string, double, std::less<>>;

/// The stage that an attack of a suite is.
inline std::string suite_stage(const Trial& trial) { return "suite, " + trial.id; }

/// Predicts how long work takes: by the pace of each stage so far, and for a stage that has not run
/// yet by what others took.
class Estimate {
 public:
  void plan(const Work& work) {
    for (const auto& [stage, steps] : work) left_[stage] += steps;
  }
  /// Some of the plan is not to be done after all.
  void drop(const Work& work) {
    for (const auto& [stage, steps] : work) left_[stage] = std::max(0.0, left_[stage] - steps);
  }
  /// One worker did steps of a stage.
  void did(std::string_view stage, double steps, double seconds) {
    const std::string name(stage);
    left_[name] = std::max(0.0, left_[name] - steps);
    auto& pace = done_[name];
    pace.steps += steps;
    pace.seconds += seconds;
  }
  /// How long a step of a stage is beside others', roughly: a step of training is 1.
  void weigh(const std::string& stage, double weight) { weights_[stage] = weight; }
  /// Those of a suite's stages: by what an attack costs an image.
  void weigh(const std::vector<Trial>& suite) {
    constexpr double kForward = 0.01, kPass = 0.02;
    for (const Trial& trial : suite) weigh(suite_stage(trial), kForward + kPass * trial.passes);
  }
  /// Whether there is a pace to go by.
  [[nodiscard]] bool known() const { return seconds_per_unit() > 0; }
  /// Seconds that what is left takes so many workers.
  [[nodiscard]] double left(int workers) const {
    double seconds = 0;
    for (const auto& [stage, steps] : left_) seconds += steps * pace(stage);
    return seconds / std::max(1, workers);
  }

 private:
  struct Pace {
    double steps = 0, seconds = 0;
  };

  [[nodiscard]] double weight(std::string_view stage) const {
    const auto known = weights_.find(stage);
    return known == weights_.end() ? 1 : known->second;
  }
  [[nodiscard]] double seconds_per_unit() const {
    double seconds = 0, units = 0;
    for (const auto& [stage, pace] : done_) {
      seconds += pace.seconds;
      units += pace.steps * weight(stage);
    }
    return units > 0 ? seconds / units : 0;
  }
  [[nodiscard]] double pace(const std::string& stage) const {
    const auto found = done_.find(stage);
    if (found != done_.end() && found->second.steps > 0)
      return found->second.seconds / found->second.steps;
    return weight(stage) * seconds_per_unit();
  }

  Work left_;
  std::map<std::string, Pace, std::less<>> done_;
  /// How long a step is beside one of training, roughly; of stages that are not here, as long.
  Work weights_{{"evaluation", 0.03}, {"evaluation under attack", 0.1}, {"timing", 0.05}};
};

/// What is left to do of one cell, but for its pre-training, which cells share.
template <Detector D, Dataset Train, Dataset Test>
Work work_of(const ErasedScenario& scenario, const Experiment<D, Train, Test>& e,
             const Store& store, const PlannedCell& cell) {
  Work work;
  const Budget& b = e.budget;
  const CellFiles files(store.root(), cell);
  if (!files.trained() && cell.id.scenario != kOriginal) {
    if (scenario.score.training && cell.id.ratio != Ratio() &&
        !store.has("trained_scores", cell.keys.trained_scores))
      work["score training"] = static_cast<double>(b.scores.steps);
    if (!store.has("finetune", cell.keys.finetuning))
      work["robust fine-tuning"] = static_cast<double>(b.finetune.steps);
  }
  if (!files.evaluated()) {
    const auto images = static_cast<double>(evaluated_images(e.test, b.evaluate));
    work["evaluation"] = images;
    if (!scenario.attack.is_identity) work["evaluation under attack"] = images;
  }
  if (!files.has_suite())
    for (const Trial& trial : e.suite)
      if (trial.access != Access::kNone &&
          (trial.access != Access::kTransfer || cell.id.scenario != kOriginal))
        work[suite_stage(trial)] = static_cast<double>(evaluated_images(e.test, b.evaluate));
  if (!files.timed())
    work["timing"] = static_cast<double>(b.evaluate.timing_images + b.evaluate.timing_warmup);
  return work;
}

/// And of the pre-training of a key, if it is not there.
inline Work pretraining_work(const Budget& budget, const Store& store, const StageKeys& keys) {
  if (keys.pretraining.empty() || store.has("pretrain", keys.pretraining)) return {};
  return {{"robust pre-training", static_cast<double>(budget.pretrain.steps)}};
}

}  // namespace serpette
