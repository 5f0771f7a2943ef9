#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "serpette/core/footprint.hpp"
#include "serpette/io/cells.hpp"
#include "serpette/pipeline/evaluate.hpp"
#include "serpette/pipeline/loader.hpp"
#include "serpette/pipeline/scores.hpp"
#include "serpette/pipeline/settings.hpp"
#include "serpette/pipeline/store.hpp"
#include "serpette/pipeline/timing.hpp"
#include "serpette/pipeline/train_scores.hpp"
#include "serpette/scenario/scenario.hpp"

namespace serpette {

/// What all cells of an experiment share. `identity` names everything a stage depends on besides policies, run and
/// ratio: the network, its weights, the data, the budget and the seed.
template <Detector D, Dataset Train, Dataset Test>
struct Experiment {
  D pretrained;
  const Train& train;
  const Test& test;
  Budget budget;
  Seed seed;
  at::Device device = at::kCPU;
  std::string identity;
  int loader_threads = 1;
};

/// Which cell of an experiment: one pruned network.
struct CellId {
  std::string scenario;  ///< Command-line id.
  int run = 1;           ///< 1-based.
  Ratio ratio;

  [[nodiscard]] std::string folder() const { return fmt::format("{}-run{}-ratio{}", scenario, run, ratio.str()); }
};

/// A finished cell: its numbers, the network as it runs, and what it saw.
template <Detector D>
struct CellResult {
  std::vector<CellRow> rows;  ///< Profiles "paper" and "standard".
  D network;
  std::vector<Detection> clean, attacked;  ///< At the standard profile.
};

/// What the shared stages of a run depend on; equal keys mean equal stages.
struct StageKeys {
  std::string pretraining, scores;
};
template <AnyScenario S, Detector D, Dataset Train, Dataset Test>
StageKeys stage_keys(const S& scenario, const Experiment<D, Train, Test>& e, int run) {
  auto pretraining = fmt::format("{}\n{}\n{}\nrun {}", e.identity, settings_text(scenario.attack),
                                 settings_text(scenario.color), run);
  auto scores = pretraining + "\n" + settings_text(scenario.score);
  return {std::move(pretraining), std::move(scores)};
}

namespace detail {

/// The stages of one run, each kept in the store under everything it depends on.
template <AnyScenario S, Detector D, class Train, class Test, class O>
class Stages {
 public:
  Stages(const S& scenario, const Experiment<D, Train, Test>& experiment, const Store& store, int run, O& observer)
      : scenario_(scenario), e_(experiment), store_(store), observer_(observer),
        seed_(e_.seed.derive("run").derive(static_cast<std::uint64_t>(run))),
        keys_(stage_keys(scenario, experiment, run)) {}

  /// 1. Adversarial training of the pre-trained detector; shared by all ratios, and by scenarios of equal attack and
  /// colour.
  StageResult robust_pretraining(D& detector) const {
    return stage("pretrain", "", detector, [&] {
      notify::stage(observer_, "robust pre-training", e_.budget.pretrain.steps);
      auto loader = training_loader("pretrain", e_.budget.pretrain);
      train(detector, [&] { return loader.next(); }, scenario_.attack, scenario_.color, e_.budget.pretrain,
            seed_.derive("pretrain"), nullptr, e_.device, observer_);
    });
  }

  /// 2. Importance scores of the robust detector; shared by all ratios.
  StageResult scores(D& detector) const {
    return store_.stage("scores", keys_.scores, [&] {
      notify::stage(observer_, "importance scores", 0);
      auto found = importance_scores(scenario_.score, detector, score_batches(), seed_.derive("scores"));
      return std::vector<at::Tensor>(found.begin(), found.end());
    });
  }

  /// 3. HYDRA's score training, anew for every ratio; other scores stay as they are.
  StageResult trained_scores(D& detector, const StageResult& start, Ratio ratio) const {
    if constexpr (!req::TrainsScores<typename S::score_type>) {
      return {start.tensors, 0};
    } else {
      auto key = fmt::format("{}\n{}\nratio {}", keys_.scores, settings_text(scenario_.granularity), ratio.str());
      return store_.stage("trained_scores", key, [&] {
        notify::stage(observer_, "score training", e_.budget.scores.steps);
        auto loader = training_loader("scores", e_.budget.scores);
        return train_scores(detector, on_device(start.tensors), scenario_.score.optimizer, scenario_.granularity,
                            ratio, [&] { return loader.next(); }, scenario_.attack, scenario_.color,
                            e_.budget.scores, seed_.derive("train_scores"), e_.device, observer_);
      });
    }
  }

  /// 4. Robust fine-tuning of the masked detector.
  StageResult finetuning(D& detector, const Mask& mask, Ratio ratio) const {
    auto key = fmt::format("\n{}\n{}\nratio {}", settings_text(scenario_.score), settings_text(scenario_.granularity), ratio.str());
    return stage("finetune", key, detector, [&] {
      notify::stage(observer_, "robust fine-tuning", e_.budget.finetune.steps);
      apply_mask(mask, detector);
      auto loader = training_loader("finetune", e_.budget.finetune);
      train(detector, [&] { return loader.next(); }, scenario_.attack, scenario_.color, e_.budget.finetune,
            seed_.derive("finetune"), &mask, e_.device, observer_);
    });
  }

  [[nodiscard]] ScoreMap on_device(const std::vector<at::Tensor>& tensors) const {
    ScoreMap moved;
    for (const auto& tensor : tensors) moved.push_back(tensor.to(e_.device));
    return moved;
  }

  [[nodiscard]] Seed seed() const { return seed_; }

 private:
  /// A stage that leaves the detector in another state.
  template <class Run>
  StageResult stage(std::string_view name, std::string_view key, D& detector, Run&& run) const {
    auto result = store_.stage(name, keys_.pretraining + std::string(key), [&] {
      run();
      return state_of(detector);
    });
    restore(detector, result.tensors, name);
    return result;
  }

  [[nodiscard]] Loader<Train> training_loader(std::string_view stage, const TrainSettings& settings) const {
    return Loader<Train>(e_.train, settings.batch_size, seed_.derive(stage).derive("batches"), e_.loader_threads);
  }

  /// The images that one-pass scores average over, one batch each, in the network's view.
  [[nodiscard]] std::vector<ImageBatch> score_batches() const {
    std::vector<ImageBatch> batches;
    Generator rng(seed_.derive("score images"));
    const auto count = std::min<std::int64_t>(e_.budget.score_images, e_.train.size());
    const auto order = shuffled(e_.train.size(), rng);
    constexpr std::int64_t kBatch = 8;
    for (std::int64_t begin = 0; begin < count; begin += kBatch) {
      const std::span<const std::int64_t> indices(order.data() + begin, std::min(kBatch, count - begin));
      auto batch = e_.train.batch(indices).to(e_.device);
      batch.images = network_images(scenario_.color, batch.images);
      batches.push_back(std::move(batch));
    }
    return batches;
  }

  const S& scenario_;
  const Experiment<D, Train, Test>& e_;
  const Store& store_;
  O& observer_;
  Seed seed_;
  StageKeys keys_;
};

}  // namespace detail

/// The stages that all ratios of a run share: robust pre-training and importance scores.
template <AnyScenario S, Detector D, Dataset Train, Dataset Test, Observer O>
void prepare_run(const S& scenario, const Experiment<D, Train, Test>& e, const Store& store, int run, O& observer) {
  D detector = e.pretrained.clone();
  const detail::Stages stages(scenario, e, store, run, observer);
  stages.robust_pretraining(detector);
  stages.scores(detector);
}

/// One cell, from the pre-trained detector to its numbers: the paper's method section.
/// @return  rows for cells.csv, the pruned network (compacted where the granularity removes filters), detections.
template <AnyScenario S, Detector D, Dataset Train, Dataset Test, Observer O>
CellResult<D> run_cell(const S& scenario, const Experiment<D, Train, Test>& e, const Store& store, const CellId& id,
                       O& observer) {
  D detector = e.pretrained.clone();
  const detail::Stages stages(scenario, e, store, id.run, observer);

  const auto pretraining = stages.robust_pretraining(detector);
  const auto start = stages.scores(detector);
  const auto trained = stages.trained_scores(detector, start, id.ratio);
  const auto mask = scenario.granularity.mask(e.pretrained.graph(), stages.on_device(trained.tensors), id.ratio);
  const auto finetuning = stages.finetuning(detector, mask, id.ratio);
  if constexpr (removes_filters<typename S::granularity_type>) detector = detector.compact(mask);

  auto network = detector.frozen();
  const auto attack_seed = stages.seed().derive("evaluation");
  notify::stage(observer, "evaluation", e.test.size());
  const auto clean = evaluate(detector, network, e.test, Unattacked{}, scenario.color, e.budget.evaluate, attack_seed,
                              e.device, observer);
  auto robust = clean;
  if constexpr (!is_identity<typename S::attack_type>) {
    notify::stage(observer, "evaluation under attack", e.test.size());
    robust = evaluate(detector, network, e.test, scenario.attack, scenario.color, e.budget.evaluate, attack_seed,
                      e.device, observer);
  }

  [[maybe_unused]] const auto machine = notify::alone(observer);
  const auto kept = scenario.granularity.kept(e.pretrained.graph(), mask);
  CellResult<D> result{{}, detector, clean.detections, robust.detections};
  for (const bool paper : {true, false}) {
    const auto& a = paper ? clean.paper : clean.standard;
    const auto& b = paper ? robust.paper : robust.standard;
    const auto ms = time_inference(detector, network, e.test, scenario.color,
                                   paper ? kPaperConfidence : kStandardConfidence, e.budget.evaluate, e.device);
    CellRow row{.scenario = id.scenario,
                .score_init = std::string(S::score_type::name),
                .granularity = std::string(S::granularity_type::name),
                .attack = std::string(S::attack_type::name),
                .color = std::string(S::color_type::name),
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
      for (const auto& [name, value] : numbers->numbers()) row.details.emplace_back(std::string(prefix) + std::string(name), value);
    for (const auto& [name, part] : {std::pair{"input", &ms.input}, std::pair{"network", &ms.network},
                                     std::pair{"post", &ms.post}, std::pair{"total", &ms.total}})
      row.details.emplace_back(fmt::format("ms_{}_mean", name), part->mean);
    result.rows.push_back(std::move(row));
  }
  return result;
}

}  // namespace serpette
