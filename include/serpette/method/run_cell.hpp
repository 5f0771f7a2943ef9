#pragma once

#include <array>
#include <cmath>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "serpette/graph/footprint.hpp"
#include "serpette/method/evaluate.hpp"
#include "serpette/method/loader.hpp"
#include "serpette/method/scores.hpp"
#include "serpette/method/settings.hpp"
#include "serpette/method/timing.hpp"
#include "serpette/method/train_scores.hpp"
#include "serpette/prune/mask.hpp"
#include "serpette/scenario/scenario.hpp"
#include "serpette/study/cells.hpp"
#include "serpette/study/store.hpp"

namespace serpette {

/// A network in the form in which it would be used: images [N, 3, H, W] to raw heads.
using Deployed = std::function<std::vector<at::Tensor>(const at::Tensor&)>;

/// The detector's own inference form.
template <Detector D>
Deployed deploy_frozen(const D& detector) {
  return [network = detector.frozen()](const at::Tensor& images) mutable {
    return network.forward(images);
  };
}

/// What all cells of an experiment share. `identity` names everything a stage depends on besides
/// policies, run and ratio: the network, its weights, the data, the budget and the seed.
template <Detector D, Dataset Train, Dataset Test>
struct Experiment {
  D pretrained;
  const Train& train;
  const Test& test;
  Budget budget;
  Seed seed;
  at::Device device = at::kCPU;
  std::string identity;
  /// What is timed: the finished network in the form it would be used in, made once per cell.
  std::function<Deployed(const D&)> deploy = deploy_frozen<D>;
  int loader_threads = 1;
};

/// Which cell of an experiment: one pruned network.
struct CellId {
  std::string scenario;  ///< Command-line id.
  int run = 1;           ///< 1-based.
  Ratio ratio;

  [[nodiscard]] std::string folder() const { return cell_folder(scenario, run, ratio.str()); }
};

/// A finished cell: its numbers, the network as it runs, and what it saw.
template <Detector D>
struct CellResult {
  std::vector<CellRow> rows;  ///< Profiles "paper" and "standard".
  D network;
  std::vector<Detection> clean, attacked;  ///< At the standard profile.
};

/// What the stages of a cell depend on; equal keys mean equal stages.
struct StageKeys {
  std::string pretraining,
      scores;  ///< Shared by the ratios of a run, and by scenarios that agree so far.
  std::string trained_scores, finetuning;  ///< The cell's own.
};
template <AnyScenario S, Detector D, Dataset Train, Dataset Test>
StageKeys stage_keys(const S& scenario, const Experiment<D, Train, Test>& e, const CellId& id) {
  StageKeys keys;
  keys.pretraining =
      fmt::format("{}\n{}\n{}\n{}\nrun {}", e.identity, settings_text(scenario.attack),
                  settings_text(scenario.color), settings_text(objective_of(scenario)), id.run);
  keys.scores = fmt::format("{}\n{}", keys.pretraining, settings_text(scenario.score));
  keys.finetuning = fmt::format(
      "{}\n{}\nratio {}", keys.scores,
      settings_text(scenario.granularity) + settings_text(allocation_of(scenario)), id.ratio.str());
  keys.trained_scores = keys.finetuning;
  return keys;
}

/// Deletes the checkpoints that only this cell asks for; its network has been saved.
template <AnyScenario S, Detector D, Dataset Train, Dataset Test>
void drop_cell_stages(const S& scenario, const Experiment<D, Train, Test>& e, const Store& store,
                      const CellId& id) {
  const auto keys = stage_keys(scenario, e, id);
  store.drop("trained_scores", keys.trained_scores);
  store.drop("finetune", keys.finetuning);
}

namespace detail {

/// The stages of one cell, each kept in the store under everything it depends on.
template <AnyScenario S, Detector D, class Train, class Test, class O>
class Stages {
 public:
  Stages(const S& scenario, const Experiment<D, Train, Test>& experiment, const Store& store,
         const CellId& id, O& observer)
      : scenario_(scenario),
        e_(experiment),
        store_(store),
        observer_(observer),
        ratio_(id.ratio),
        seed_(e_.seed.derive("run").derive(static_cast<std::uint64_t>(id.run))),
        keys_(stage_keys(scenario, experiment, id)) {}

  /// 1. Adversarial training of the pre-trained detector; shared by all ratios, and by scenarios of
  /// equal attack and colour.
  StageResult robust_pretraining(D& detector) const {
    return stage("pretrain", keys_.pretraining, detector, [&] {
      notify::stage(observer_, "robust pre-training", e_.budget.pretrain.steps);
      auto loader = training_loader("pretrain", e_.budget.pretrain);
      train(
          detector, MovedWeights(detector), [&] { return loader.next(); }, defence_of(scenario_),
          e_.budget.pretrain, seed_.derive("pretrain"), e_.device, observer_);
    });
  }

  /// 2. Importance scores of the robust detector; shared by all ratios.
  StageResult scores(D& detector) const {
    return kept("scores", keys_.scores, [&] {
      notify::stage(observer_, "importance scores", 0);
      auto found = importance_scores(scenario_.score, detector, score_batches(detector),
                                     seed_.derive("scores"));
      return std::vector<at::Tensor>(found.begin(), found.end());
    });
  }

  /// 3. HYDRA's score training, anew for every ratio; other scores stay as they are.
  StageResult trained_scores(D& detector, const StageResult& start) const {
    if constexpr (!req::TrainsScores<ScoreOf<S>>) {
      return {start.tensors, 0};
    } else {
      return kept("trained_scores", keys_.trained_scores, [&] {
        notify::stage(observer_, "score training", e_.budget.scores.steps);
        auto loader = training_loader("scores", e_.budget.scores);
        const auto mask = [&](const ScoreMap& scores) {
          return make_mask(detector.graph(), scores, ratio_, scenario_.granularity,
                           allocation_of(scenario_));
        };
        return train_scores(
            detector, on_device(start.tensors), scenario_.score.optimizer, mask,
            [&] { return loader.next(); }, defence_of(scenario_, teacher(detector)),
            e_.budget.scores, seed_.derive("train_scores"), e_.device, observer_);
      });
    }
  }

  /// 4. Robust fine-tuning of the masked detector.
  StageResult finetuning(D& detector, const Mask& mask) const {
    return stage("finetune", keys_.finetuning, detector, [&] {
      notify::stage(observer_, "robust fine-tuning", e_.budget.finetune.steps);
      const auto defence = defence_of(scenario_, teacher(detector));
      apply_mask(mask, detector);
      auto loader = training_loader("finetune", e_.budget.finetune);
      train(
          detector, MovedWeights(detector, &mask), [&] { return loader.next(); }, defence,
          e_.budget.finetune, seed_.derive("finetune"), e_.device, observer_);
    });
  }

  [[nodiscard]] ScoreMap on_device(const std::vector<at::Tensor>& tensors) const {
    ScoreMap moved;
    for (const auto& tensor : tensors) moved.push_back(tensor.to(e_.device));
    return moved;
  }

  [[nodiscard]] Seed seed() const { return seed_; }

 private:
  /// A stage that is found in the store, or computed and kept there.
  template <class Compute>
  StageResult kept(std::string_view name, std::string_view key, Compute&& compute) const {
    return store_.stage(name, key, compute, [&] {
      notify::stage(observer_, "waiting for another process", 0);
      notify::step(observer_, 0, std::nan(""));  // it may be told to stop
    });
  }

  /// A stage that leaves the detector in another state.
  template <class Run>
  StageResult stage(std::string_view name, std::string_view key, D& detector, Run&& run) const {
    auto result = kept(name, key, [&] {
      run();
      return state_of(detector);
    });
    restore(detector, result.tensors, name);
    return result;
  }

  /// The detector as it is now, unpruned, where the objective learns from it.
  [[nodiscard]] Teacher teacher(const D& detector) const {
    if constexpr (needs_teacher<ObjectiveOf<S>>)
      return deploy_frozen(detector);
    else
      return {};
  }

  [[nodiscard]] Loader<Train> training_loader(std::string_view stage,
                                              const TrainSettings& settings) const {
    return Loader<Train>(e_.train, settings.batch_size, seed_.derive(stage).derive("batches"),
                         e_.loader_threads);
  }

  /// The images that one-pass scores average over, in the network's view; their attacked twins
  /// behind them where the score asks for twins.
  [[nodiscard]] std::vector<ImageBatch> score_batches(D& detector) const {
    std::vector<ImageBatch> batches;
    Generator rng(seed_.derive("score images"));
    const auto count = std::min<std::int64_t>(e_.budget.score_images, e_.train.size());
    const auto order = shuffled(e_.train.size(), rng);
    constexpr std::int64_t kBatch = 8;
    for (std::int64_t begin = 0; begin < count; begin += kBatch) {
      const std::span<const std::int64_t> indices(order.data() + begin,
                                                  std::min(kBatch, count - begin));
      auto batch = e_.train.batch(indices).to(e_.device);
      auto images = network_images(scenario_.color, batch.images);
      if (wants_twins(scenario_.score)) {
        require(!is_identity<AttackOf<S>>, ScoreOf<S>::name,
                "compares images with their attacked twins and should have an attack, got {}",
                AttackOf<S>::name);
        images = at::cat(
            {images, attacked_images(detector, batch, scenario_.attack, scenario_.color, rng)});
      }
      batch.images = std::move(images);
      batches.push_back(std::move(batch));
    }
    return batches;
  }

  const S& scenario_;
  const Experiment<D, Train, Test>& e_;
  const Store& store_;
  O& observer_;
  Ratio ratio_;
  Seed seed_;
  StageKeys keys_;
};

}  // namespace detail

/// The stages that all ratios of the cell's run share: robust pre-training and importance scores.
template <AnyScenario S, Detector D, Dataset Train, Dataset Test, Observer O>
void prepare_run(const S& scenario, const Experiment<D, Train, Test>& e, const Store& store,
                 const CellId& id, O& observer) {
  D detector = e.pretrained.clone();
  const detail::Stages stages(scenario, e, store, id, observer);
  stages.robust_pretraining(detector);
  stages.scores(detector);
}

/// How long a cell's network takes in the form it would be used in, while nothing else computes.
/// @return  at the paper's confidence and at the standard one.
template <AnyScenario S, Detector D, Dataset Train, Dataset Test, Observer O>
std::array<InferenceTime, 2> cell_times(const S& scenario, const Experiment<D, Train, Test>& e,
                                        const D& detector, O& observer) {
  [[maybe_unused]] const auto machine = notify::alone(observer);
  notify::stage(observer, "timing", e.budget.evaluate.timing_images);
  const auto deployed = e.deploy(detector);
  return time_inference(detector, deployed, e.test, scenario.color,
                        std::array{kPaperConfidence, kStandardConfidence}, e.budget.evaluate,
                        e.device);
}

/// One cell, from the pre-trained detector to its numbers: the paper's method section.
/// @return  rows for cells.csv, the pruned network (compacted where the granularity removes
/// filters), detections.
template <AnyScenario S, Detector D, Dataset Train, Dataset Test, Observer O>
CellResult<D> run_cell(const S& scenario, const Experiment<D, Train, Test>& e, const Store& store,
                       const CellId& id, O& observer) {
  D detector = e.pretrained.clone();
  const detail::Stages stages(scenario, e, store, id, observer);

  const auto pretraining = stages.robust_pretraining(detector);
  const auto start = stages.scores(detector);
  const auto trained = stages.trained_scores(detector, start);
  const auto mask = make_mask(e.pretrained.graph(), stages.on_device(trained.tensors), id.ratio,
                              scenario.granularity, allocation_of(scenario));
  const auto finetuning = stages.finetuning(detector, mask);
  if constexpr (removes_filters<GranularityOf<S>>) detector = detector.compact(mask);

  auto network = detector.frozen();
  const auto attack_seed = stages.seed().derive("evaluation");
  notify::stage(observer, "evaluation", e.test.size());
  const auto clean = evaluate(detector, network, e.test, Unattacked{}, scenario.color,
                              e.budget.evaluate, attack_seed, e.device, observer);
  auto robust = clean;
  if constexpr (!is_identity<AttackOf<S>>) {
    notify::stage(observer, "evaluation under attack", e.test.size());
    robust = evaluate(detector, network, e.test, scenario.attack, scenario.color, e.budget.evaluate,
                      attack_seed, e.device, observer);
  }

  const auto times = cell_times(scenario, e, detector, observer);

  const auto kept = count_kept(e.pretrained.graph(), mask, scenario.granularity);
  CellResult<D> result{{}, detector, clean.detections, robust.detections};
  for (const bool paper : {true, false}) {
    const auto& a = paper ? clean.paper : clean.standard;
    const auto& b = paper ? robust.paper : robust.standard;
    const auto& ms = times[paper ? 0 : 1];
    CellRow row{.scenario = id.scenario,
                .score_init = std::string(ScoreOf<S>::name),
                .granularity = std::string(GranularityOf<S>::name),
                .attack = std::string(AttackOf<S>::name),
                .color = std::string(ColorOf<S>::name),
                .run = id.run,
                .ratio = id.ratio.str(),
                .seed = e.seed.value(),
                .profile = paper ? "paper" : "standard",
                .ap = a.AP,
                .ap50 = a.AP50,
                .ap75 = a.AP75,
                .robust_ap = b.AP,
                .robust_ap50 = b.AP50,
                .ms_input = ms.input.median,
                .ms_network = ms.network.median,
                .ms_post = ms.post.median,
                .ms_total = ms.total.median,
                .weights_kept = kept.weights,
                .filters_kept = kept.filters,
                .parameters = parameters(detector.graph()),
                .macs = macs(detector.graph()),
                .seconds_pretrain = pretraining.seconds,
                .seconds_scores = start.seconds + trained.seconds,
                .seconds_finetune = finetuning.seconds,
                .details = {}};
    for (const auto& [prefix, numbers] : {std::pair{"", &a}, std::pair{"robust_", &b}})
      for (const auto& [name, value] : numbers->numbers())
        row.details.emplace_back(std::string(prefix) + std::string(name), value);
    for (const auto& [name, part] :
         {std::pair{"input", &ms.input}, std::pair{"network", &ms.network},
          std::pair{"post", &ms.post}, std::pair{"total", &ms.total}})
      row.details.emplace_back(fmt::format("ms_{}_mean", name), part->mean);
    result.rows.push_back(std::move(row));
  }
  return result;
}

}  // namespace serpette
