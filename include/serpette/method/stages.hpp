#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "serpette/core/batch_stream.hpp"
#include "serpette/method/cell.hpp"
#include "serpette/method/loader.hpp"
#include "serpette/method/scores.hpp"
#include "serpette/method/train.hpp"
#include "serpette/method/train_scores.hpp"
#include "serpette/metric/stopwatch.hpp"
#include "serpette/prune/mask.hpp"

/// @file
/// The stages of a cell, each a function of the cell and the detector as the stage before left it,
/// and each kept in the cell's store under everything it depends on.

namespace serpette {

namespace detail {

/// A stage that is found in the store, or computed and kept there.
template <AnyCell C, class Compute>
StageResult kept_stage(const C& cell, std::string_view name, std::string_view key,
                       Compute&& compute) {
  const auto timed = [&] {
    const Stopwatch watch;
    auto tensors = compute();
    return StageResult{std::move(tensors), watch.seconds(),
                       unreadable_images(cell.experiment.train)};
  };
  const auto waiting = [&] {
    notify::stage(cell.observer, "waiting for another process", 0);
    notify::step(cell.observer, 0, std::nan(""));  // it may be told to stop
  };
  return cell.store.stage(name, key, timed, waiting);
}

/// A stage that leaves the detector in another state.
template <AnyCell C, class Train>
StageResult training_stage(const C& cell, std::string_view name, std::string_view key,
                           typename C::detector_type& detector, Train&& train) {
  auto result = kept_stage(cell, name, key, [&] {
    train();
    return state_of(detector);
  });
  restore(detector, result.tensors, name);
  return result;
}

/// A callable that gives the batches of a training stage, one after the other.
template <AnyCell C>
auto training_batches(const C& cell, std::string_view stage, const TrainSettings& settings) {
  const auto& e = cell.experiment;
  using Data = std::remove_cvref_t<decltype(e.train)>;
  const auto seed = cell.seed.derive(stage).derive("batches");
  auto loader =
      std::make_shared<Loader<Data>>(e.train, settings.batch_size, seed, e.loader_threads);
  return [loader] { return loader->next(); };
}

/// The images that one-pass scores average over, in the network's view; their attacked twins behind
/// them where the score asks for twins. Each batch is made when it is looked at.
template <AnyCell C>
BatchStream score_batches(const C& cell, typename C::detector_type& detector) {
  const auto& s = cell.scenario;
  require(!s.score.wants_twins || !s.attack.is_identity, s.score.name,
          "compares images with their attacked twins and should have an attack, got {}",
          s.attack.name);
  const auto& e = cell.experiment;
  const auto seed = cell.seed.derive("score images");
  Generator rng(seed);
  const auto count = std::min<std::int64_t>(e.budget.score_images, e.train.size());
  static constexpr std::int64_t kBatch = 8;
  const auto make = [&cell, &detector, seed, count,
                     order = shuffled(e.train.size(), rng)](std::int64_t number) {
    const auto& [scenario, experiment] = std::tie(cell.scenario, cell.experiment);
    const std::span<const std::int64_t> indices(
        order.data() + number * kBatch, std::min<std::int64_t>(kBatch, count - number * kBatch));
    auto batch = experiment.train.batch(indices).to(experiment.device);
    auto images = network_images(scenario.color, batch.images);
    if (scenario.score.wants_twins) {
      Generator of_batch(seed.derive(static_cast<std::uint64_t>(number)));
      images = at::cat(
          {images, attacked_images(detector, batch, scenario.attack, scenario.color, of_batch)});
    }
    batch.images = std::move(images);
    return batch;
  };
  return {(count + kBatch - 1) / kBatch, make};
}

/// The detector as it is now, unpruned, where the objective learns from it.
template <AnyCell C>
Teacher teacher(const C& cell, const typename C::detector_type& detector) {
  return cell.scenario.objective.needs_teacher ? deploy_frozen(detector) : Teacher{};
}

/// Scores where the experiment computes.
template <AnyCell C>
ScoreMap on_device(const C& cell, const std::vector<at::Tensor>& tensors) {
  ScoreMap moved;
  for (const auto& tensor : tensors) moved.push_back(tensor.to(cell.experiment.device));
  return moved;
}

}  // namespace detail

/// 1. Adversarial training of the pre-trained detector; shared by all ratios, and by scenarios of
/// equal objective, attack and colour.
template <AnyCell C>
StageResult robust_pretraining(const C& cell, typename C::detector_type& detector) {
  const auto& e = cell.experiment;
  return detail::training_stage(cell, "pretrain", cell.keys.pretraining, detector, [&] {
    notify::stage(cell.observer, "robust pre-training", e.budget.pretrain.steps);
    train(detector, MovedWeights(detector),
          detail::training_batches(cell, "pretrain", e.budget.pretrain), defence_of(cell.scenario),
          e.budget.pretrain, cell.seed.derive("pretrain"), e.device, cell.observer);
  });
}

/// 2. Importance scores of the robust detector; shared by all ratios.
template <AnyCell C>
StageResult score_weights(const C& cell, typename C::detector_type& detector) {
  return detail::kept_stage(cell, "scores", cell.keys.scores, [&] {
    notify::stage(cell.observer, "importance scores", 0);
    const auto found =
        importance_scores(cell.scenario.score, detector, detail::score_batches(cell, detector),
                          cell.seed.derive("scores"));
    return std::vector<at::Tensor>(found.begin(), found.end());
  });
}

/// What stays at the cell's ratio.
/// @param scores  on the device.
template <AnyCell C>
Mask pruning_mask(const C& cell, const ScoreMap& scores) {
  return cell.scenario.pruning.mask(cell.experiment.pretrained.graph(), scores, cell.id.ratio);
}

/// 3. HYDRA's score training, anew for every ratio; other scores stay as they are, and so do all
/// where nothing is pruned.
template <AnyCell C>
StageResult score_training(const C& cell, typename C::detector_type& detector,
                           const StageResult& start) {
  const auto& training = cell.scenario.score.training;
  if (!training || cell.id.ratio == Ratio()) return {.tensors = start.tensors};
  const auto& e = cell.experiment;
  return detail::kept_stage(cell, "trained_scores", cell.keys.trained_scores, [&] {
    notify::stage(cell.observer, "score training", e.budget.scores.steps);
    return train_scores(
        detector, detail::on_device(cell, start.tensors), *training,
        [&](const ScoreMap& scores) { return pruning_mask(cell, scores); },
        detail::training_batches(cell, "scores", e.budget.scores),
        defence_of(cell.scenario, detail::teacher(cell, detector)), e.budget.scores,
        cell.seed.derive("train_scores"), e.device, cell.observer);
  });
}

/// 4. Robust fine-tuning of the masked detector.
template <AnyCell C>
StageResult robust_finetuning(const C& cell, typename C::detector_type& detector,
                              const Mask& mask) {
  const auto& e = cell.experiment;
  return detail::training_stage(cell, "finetune", cell.keys.finetuning, detector, [&] {
    notify::stage(cell.observer, "robust fine-tuning", e.budget.finetune.steps);
    const auto defence = defence_of(cell.scenario, detail::teacher(cell, detector));
    apply_mask(mask, detector);
    train(detector, MovedWeights(detector, &mask),
          detail::training_batches(cell, "finetune", e.budget.finetune), defence, e.budget.finetune,
          cell.seed.derive("finetune"), e.device, cell.observer);
  });
}

}  // namespace serpette
