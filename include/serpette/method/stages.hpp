#pragma once

#include <range/v3/view/zip.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string>
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
#include "serpette/method/unfinished.hpp"
#include "serpette/prune/mask.hpp"

/// @file
/// The stages of a cell, each a function of the cell and the detector as the stage before left it,
/// and each kept in the cell's store under everything it depends on.

namespace serpette {

namespace detail {

/// Where a stage's training is kept until the stage is finished, if the store has such a place.
template <class Store>
std::optional<std::filesystem::path> unfinished_file(const Store& store, std::string_view name,
                                                     std::string_view key) {
  if constexpr (requires { store.unfinished(name, key); }) return store.unfinished(name, key);
  return std::nullopt;
}

/// What the store holds of a stage, if it can say so without computing it.
template <class Store>
std::optional<StageResult> found_stage(const Store& store, std::string_view name,
                                       std::string_view key) {
  if constexpr (requires { store.find(name, key); }) return store.find(name, key);
  return std::nullopt;
}

/// Forgets a stage that a later one stands for, if the store can.
template <class Store>
void forget_stage(const Store& store, std::string_view name, std::string_view key) {
  if constexpr (requires { store.drop(name, key); }) store.drop(name, key);
}

/// A stage that is found in the store, or computed and kept there.
/// @param compute  its tensors; given the Unfinished of its training.
template <AnyCell C, class Compute>
StageResult kept_stage(const C& cell, std::string_view name, std::string_view key,
                       Compute&& compute) {
  const auto timed = [&] {
    Unfinished stage(unfinished_file(cell.store, name, key), std::string(key),
                     [&] { return unreadable_images(cell.experiment.train); });
    auto tensors = compute(stage);
    return StageResult{std::move(tensors), stage.seconds(), stage.unreadable()};
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
  auto result = kept_stage(cell, name, key, [&](Unfinished& stage) {
    train(stage);
    return state_of(detector);
  });
  restore(detector, result.tensors, name);
  return result;
}

/// The batches of a training stage, one after the other.
template <AnyCell C>
BatchSource training_batches(const C& cell, std::string_view stage, const TrainSettings& settings) {
  const auto& e = cell.experiment;
  using Data = std::remove_cvref_t<decltype(e.train)>;
  const auto seed = cell.seed.derive(stage).derive("batches");
  auto loader =
      std::make_shared<Loader<Data>>(e.train, settings.batch_size, seed, e.loader_threads);
  return BatchSource([loader] { return loader->next(); },
                     [loader](std::int64_t batches) { loader->skip(batches); });
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

/// What a stage keeps of scores: one tensor for each convolution and, behind them, the logits of
/// rates where they were trained.
inline std::vector<at::Tensor> kept_tensors(TrainedScores trained) {
  if (trained.logits.defined()) trained.scores.push_back(std::move(trained.logits));
  return std::move(trained.scores);
}

/// And back: scores where the experiment computes, logits on the CPU.
template <AnyCell C>
TrainedScores scores_of(const C& cell, const std::vector<at::Tensor>& tensors) {
  const auto count = cell.experiment.pretrained.graph().convolutions().size();
  TrainedScores found;
  for (std::size_t i = 0; i < count; ++i)
    found.scores.push_back(tensors.at(i).to(cell.experiment.device));
  if (tensors.size() > count) found.logits = tensors[count].cpu();
  return found;
}

}  // namespace detail

/// 1. Adversarial training of the pre-trained detector; shared by all ratios, and by scenarios of
/// equal objective, attack and colour.
template <AnyCell C>
StageResult robust_pretraining(const C& cell, typename C::detector_type& detector) {
  const auto& e = cell.experiment;
  const auto make = [&](Unfinished& stage) {
    notify::stage(cell.observer, "robust pre-training", e.budget.pretrain.steps);
    train(detector, MovedWeights(detector),
          detail::training_batches(cell, "pretrain", e.budget.pretrain), defence_of(cell.scenario),
          e.budget.pretrain, cell.seed.derive("pretrain"), e.device, cell.observer, &stage);
  };
  return detail::training_stage(cell, "pretrain", cell.keys.pretraining, detector, make);
}

/// 2. Importance scores of the robust detector; shared by all ratios.
template <AnyCell C>
StageResult score_weights(const C& cell, typename C::detector_type& detector) {
  return detail::kept_stage(cell, "scores", cell.keys.scores, [&](Unfinished&) {
    notify::stage(cell.observer, "importance scores", 0);
    const auto found =
        importance_scores(cell.scenario.score, detector, detail::score_batches(cell, detector),
                          cell.seed.derive("scores"));
    return std::vector<at::Tensor>(found.begin(), found.end());
  });
}

/// The unpruned robust detector, where the objective learns from it; to be asked for before
/// anything is pruned.
template <AnyCell C>
Teacher teacher_of(const C& cell, const typename C::detector_type& detector) {
  return cell.scenario.objective.needs_teacher ? deploy_frozen(detector) : Teacher{};
}

/// What stays at the cell's ratio, by learned rates where there are some.
/// @param trained  scores on the device.
template <AnyCell C>
Mask pruning_mask(const C& cell, const TrainedScores& trained) {
  const auto& graph = cell.experiment.pretrained.graph();
  const auto& pruning = cell.scenario.pruning;
  return trained.logits.defined()
             ? pruning.learning->mask(graph, trained.scores, cell.id.ratio, trained.logits)
             : pruning.mask(graph, trained.scores, cell.id.ratio);
}

namespace detail {

/// A round's part of a stage's steps: all have equally many, the last also what is left over.
inline TrainSettings in_round(TrainSettings settings, std::size_t round, std::size_t rounds) {
  const auto n = static_cast<std::int64_t>(rounds), each = settings.steps / n;
  settings.steps = round + 1 < rounds ? each : settings.steps - (n - 1) * each;
  return settings;
}

/// Names of a round's batches and seeds; those of the last are the stage's own.
template <AnyCell C>
std::string in_round(const C& cell, std::string_view stage, std::size_t round) {
  return round + 1 == cell.rounds.size() ? std::string(stage)
                                         : fmt::format("{}, round {}", stage, round + 1);
}

/// HYDRA's score training in a round; scores of others stay as they are. Rates that are trained
/// with them begin alike.
template <AnyCell C>
TrainedScores round_of_scores(const C& cell, typename C::detector_type& detector, ScoreMap scores,
                              std::size_t round, const Teacher& teacher,
                              Unfinished* unfinished = nullptr) {
  const auto& training = cell.scenario.score.training;
  if (!training) return {std::move(scores)};
  const auto& e = cell.experiment;
  const auto settings = in_round(e.budget.scores, round, cell.rounds.size());
  notify::stage(cell.observer, "score training", settings.steps);
  const auto& graph = detector.graph();
  const Ratio ratio = cell.rounds[round];
  MaskOfStep masks =
      MakeMask([&](const ScoreMap& now) { return cell.scenario.pruning.mask(graph, now, ratio); });
  if (const auto& learning = cell.scenario.pruning.learning)
    masks = MovedRates{
        .logits = learning->start(graph),
        .rate = learning->rate,
        .mask = [&](const ScoreMap& now,
                    const at::Tensor& logits) { return learning->mask(graph, now, ratio, logits); },
        .gradient =
            [&](const ScoreMap& now, const at::Tensor& logits, const Slopes& slopes) {
              return learning->gradient(graph, now, ratio, logits, slopes);
            }};
  return train_scores(detector, std::move(scores), *training, std::move(masks),
                      training_batches(cell, in_round(cell, "scores", round), settings),
                      defence_of(cell.scenario, teacher), settings,
                      cell.seed.derive(in_round(cell, "train_scores", round)), e.device,
                      cell.observer, unfinished);
}

/// Robust fine-tuning of a round.
template <AnyCell C>
void round_of_finetuning(const C& cell, typename C::detector_type& detector, const Mask& mask,
                         std::size_t round, const Teacher& teacher,
                         Unfinished* unfinished = nullptr) {
  const auto& e = cell.experiment;
  const auto settings = in_round(e.budget.finetune, round, cell.rounds.size());
  notify::stage(cell.observer, "robust fine-tuning", settings.steps);
  apply_mask(mask, detector);
  const auto name = in_round(cell, "finetune", round);
  train(detector, MovedWeights(detector, &mask), training_batches(cell, name, settings),
        defence_of(cell.scenario, teacher), settings, cell.seed.derive(name), e.device,
        cell.observer, unfinished);
}

/// Scores in which what is gone ranks below all that is left, and so stays gone: the masks of later
/// rounds lie within those of earlier ones.
inline ScoreMap of_what_is_left(const ScoreMap& scores, const Mask& mask) {
  constexpr double kLeast = 1e-30;
  ScoreMap left;
  for (auto&& [score, kept] : ranges::views::zip(scores, mask))
    left.push_back(score.abs().clamp_min(kLeast).mul(kept.weight));
  return left;
}

}  // namespace detail

/// 3. The rounds of a schedule before its last: in each the detector is masked by its scores at the
/// round's ratio, fine-tuned, and scored anew as it is then. What is gone stays gone. All rounds
/// share the cell's budget of steps. Under one shot nothing happens. A round is a stage of its own,
/// and so is its score training: what was stopped goes on within the round that it was in.
/// @return  the scores that the last round begins with, and the time of all rounds before it.
template <AnyCell C>
StageResult early_rounds(const C& cell, typename C::detector_type& detector,
                         const StageResult& start, const Teacher& teacher) {
  const auto& keys = cell.keys.rounds;
  StageResult left{.tensors = start.tensors};  // by the round before
  const auto take = [&](StageResult result) {
    const auto scores = result.tensors.end() - std::ssize(detector.graph().convolutions());
    restore(detector, {result.tensors.begin(), scores}, "rounds");
    result.tensors.erase(result.tensors.begin(), scores);
    result.unreadable = std::max(result.unreadable, left.unreadable);
    left = std::move(result);
  };
  std::size_t round = keys.size();
  for (; round > 0; --round)  // one that is kept stands for all before it
    if (auto kept = detail::found_stage(cell.store, "rounds", keys[round - 1])) {
      take(*std::move(kept));
      break;
    }
  for (; round < keys.size(); ++round) {
    StageResult scores = left;
    if (cell.scenario.score.training)  // rates are learned in one shot alone
      scores = detail::kept_stage(cell, "round_scores", keys[round], [&](Unfinished& stage) {
        stage.count(left.seconds);
        return detail::round_of_scores(cell, detector, detail::scores_of(cell, left.tensors).scores,
                                       round, teacher, &stage)
            .scores;
      });
    take(detail::kept_stage(cell, "rounds", keys[round], [&](Unfinished& stage) {
      stage.count(scores.seconds);
      const auto mask = cell.scenario.pruning.mask(
          detector.graph(), detail::scores_of(cell, scores.tensors).scores, cell.rounds[round]);
      detail::round_of_finetuning(cell, detector, mask, round, teacher, &stage);
      notify::stage(cell.observer, "importance scores", 0);
      const auto next = detail::of_what_is_left(
          importance_scores(cell.scenario.score, detector, detail::score_batches(cell, detector),
                            cell.seed.derive(detail::in_round(cell, "scores", round))),
          mask);
      auto tensors = state_of(detector);
      tensors.insert(tensors.end(), next.begin(), next.end());
      return tensors;
    }));
    detail::forget_stage(cell.store, "round_scores", keys[round]);
    if (round > 0) detail::forget_stage(cell.store, "rounds", keys[round - 1]);
  }
  return left;
}

/// 4. HYDRA's score training, anew for every ratio; other scores stay as they are, and so do all
/// where nothing is pruned.
template <AnyCell C>
StageResult score_training(const C& cell, typename C::detector_type& detector,
                           const StageResult& start, const Teacher& teacher) {
  if (!cell.scenario.score.training || cell.id.ratio == Ratio()) return {.tensors = start.tensors};
  return detail::kept_stage(
      cell, "trained_scores", cell.keys.trained_scores, [&](Unfinished& stage) {
        return detail::kept_tensors(
            detail::round_of_scores(cell, detector, detail::scores_of(cell, start.tensors).scores,
                                    cell.rounds.size() - 1, teacher, &stage));
      });
}

/// 5. Robust fine-tuning of the masked detector.
template <AnyCell C>
StageResult robust_finetuning(const C& cell, typename C::detector_type& detector, const Mask& mask,
                              const Teacher& teacher) {
  return detail::training_stage(
      cell, "finetune", cell.keys.finetuning, detector, [&](Unfinished& stage) {
        detail::round_of_finetuning(cell, detector, mask, cell.rounds.size() - 1, teacher, &stage);
      });
}

}  // namespace serpette
