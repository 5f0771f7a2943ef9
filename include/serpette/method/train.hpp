#pragma once

#include <fmt/ranges.h>

#include <cmath>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "serpette/concepts/observer.hpp"
#include "serpette/method/computes_in.hpp"
#include "serpette/method/defence.hpp"
#include "serpette/method/moved_weights.hpp"
#include "serpette/method/optimizer.hpp"
#include "serpette/method/settings.hpp"
#include "serpette/method/state.hpp"
#include "serpette/method/statistics.hpp"
#include "serpette/method/together.hpp"
#include "serpette/method/training_state.hpp"
#include "serpette/method/unfinished.hpp"
#include "serpette/method/view.hpp"
#include "serpette/method/within_memory.hpp"
#include "serpette/torch/nn.hpp"

namespace serpette {

/// A loss that is no number any more.
struct Diverged : Error {
  using Error::Error;
};

/// A training in progress, of robust training, fine-tuning and score training alike. Every step
/// takes a batch, lets the objective say its loss, attacks crafted with batch norm in evaluation
/// mode, and moves what `moves` says: the weights (MovedWeights) or scores (MovedScores). A
/// detector with peers is trained together: every process makes its steps with its share of each
/// batch, crafts the attacks on it, and ends with what one process with whole batches would have.
///
/// `train` below makes all steps at once. Who validates, keeps checkpoints or stops early makes
/// them one by one.
template <Detector D, class Moves>
class Training {
 public:
  /// @param detector  outlives this, as does `moves`; the same in all processes.
  Training(D& detector, Moves& moves, const Defence& defence, const TrainSettings& settings,
           Seed seed, at::Device device)
      : detector_(detector),
        any_(detector),
        moves_(moves),
        color_(defence.color),
        settings_(settings),
        device_(device),
        peers_(peers_of(detector)),
        rng_(peers_.alone()
                 ? seed
                 : seed.derive("process").derive(static_cast<std::uint64_t>(peers_.share.rank))),
        adversary_(make_adversary(detector, defence.attack, defence.color, rng_)),
        objective_(defence.objective),
        loss_(objective_.start({.share = peers_.share, .teacher = defence.teacher})),
        optimizer_(make_optimizer(moves.tensors(), settings)),
        average_(settings.average, moves.averaged()) {}
  Training(const Training&) = delete;
  Training& operator=(const Training&) = delete;

  /// Steps that are made.
  [[nodiscard]] std::int64_t done() const { return step_; }
  [[nodiscard]] bool finished() const { return step_ >= settings_.steps; }

  /// One step; its loss per image.
  /// @param next   gives the next batch of training views, on any device.
  /// @param rate   another learning rate than the settings'.
  /// @throws Error  if a batch has no readable image or does not fit into the device's memory;
  /// Diverged if the loss is not finite. The step is not made then.
  double step(const BatchSource& next, std::optional<double> rate = {}) {
    const auto products = ComputesIn(detector_, settings_.precision);
    return within_memory("training", settings_.batch_size, [&] { return make_step(next, rate); });
  }

  /// Calls `f` while the network is the average, where one is taken: what `finish` would leave now.
  template <class F>
  void averaged(const F& f) const {
    average_.during(f);
  }

  /// After the last step: leaves the average, where one is taken.
  void finish() {
    average_.write();
    moves_.settle();
  }

  /// All that the steps to come depend on, but for their batches: a training that is set to it ends
  /// in the same bytes. Of an objective that remembers nothing between steps (its state's `loss` is
  /// const). Every process calls it at the same step; each gets the whole.
  /// @throws Error  if the objective remembers something.
  [[nodiscard]] TrainingState state() {
    require_no_memory();
    return {.step = step_,
            .averaged_steps = average_.steps(),
            .moved = moves_.state(),
            .averages = average_.averages(),
            .optimizer = detail::bytes_of(*optimizer_),
            .generators = detail::gathered(peers_, rng_.position(), device_)};
  }

  /// Takes a state that a training of the same network, settings and processes had.
  /// @throws Error  if it is another network's, or of another number of processes.
  void set_state(const TrainingState& state) {
    require_no_memory();
    detail::copy_all(state.moved, moves_.state());
    detail::copy_all(state.averages, average_.averages());
    average_.set_steps(state.averaged_steps);
    detail::read_bytes(state.optimizer, *optimizer_, device_);
    rng_.go_to(detail::own_position(peers_, state.generators));
    step_ = state.step;
  }

 private:
  double make_step(const BatchSource& next, std::optional<double> rate) {
    if (step_ % objective_.replays == 0) {
      batch_ = next().to(device_);
      require(batch_.size() > 0, "training",
              "should find readable images for every batch, got none at step {}", step_ + 1);
      batch_.images = network_images(color_, batch_.images);
    }
    moves_.prepare();
    for (auto& group : optimizer_->param_groups())
      group.options().set_lr(rate.value_or(learning_rate(settings_, step_)));
    for (const auto& parameter : detector_.parameters()) parameter.mutable_grad() = at::Tensor();

    const auto loss = [&] {
      const struct TrainingMode {  // which ends however this does
        D& detector;
        ~TrainingMode() { detector.train(false); }
      } mode{detector_};
      detector_.train(true);
      auto of_batch = part_of_whole(peers_, loss_(any_, batch_, adversary_), batch_.size());
      of_batch.backward();
      return of_batch;
    }();

    sum_gradients(peers_, detector_.parameters());
    const double value = total(peers_, loss);
    if (!std::isfinite(value))
      throw Diverged(
          fmt::format("training: the loss should be finite, got {} at step {} on the images {}; "
                      "lower the learning rate, or look at these images",
                      value, step_ + 1, fmt::join(batch_.image_ids, ", ")));
    const auto gradients = moves_.gradients();
    if (settings_.clip > 0) torch::nn::utils::clip_grad_norm_(gradients, settings_.clip);
    moves_.step(*optimizer_);
    average_.update();
    ++step_;
    return value;
  }

  void require_no_memory() const {
    require(objective_.remembers_nothing, objective_.name,
            "should remember nothing between steps where a training is to be resumed, got an "
            "objective whose state's `loss` changes it");
  }

  D& detector_;
  AnyDetector any_;
  Moves& moves_;
  ErasedColorMode color_;
  TrainSettings settings_;
  at::Device device_;
  Peers peers_;
  Generator rng_;
  Adversary adversary_;
  ErasedObjective objective_;
  ErasedObjective::Loss loss_;
  std::unique_ptr<torch::optim::Optimizer> optimizer_;
  MovingAverage average_;
  ImageBatch batch_;
  std::int64_t step_ = 0;
};

/// All steps of a training stage, after batch norm's statistics were taken anew where that is asked
/// for.
/// @param moves  what a step moves.
/// @param next   gives the next batch of training views, on any device.
/// @param unfinished  where given, a training that an earlier run left there goes on, and this one
/// is
///                    left there when it is stopped, and every few minutes; one of a single process
///                    and an objective that remembers nothing between steps.
/// @throws Error  as Training::step; Interrupted.
template <Detector D, class Moves, Observer O>
void train(D& detector, Moves&& moves, const BatchSource& next, const Defence& defence,
           const TrainSettings& settings, Seed seed, at::Device device, O& observer,
           Unfinished* unfinished = nullptr) {
  if (settings.steps == 0 && settings.statistics_images == 0) return;
  if (!peers_of(detector).alone() || !defence.objective.remembers_nothing) unfinished = nullptr;
  const auto left = unfinished ? unfinished->load() : std::nullopt;
  std::int64_t taken = 0;
  const BatchSource counted = [&] { return ++taken, next(); };
  take_from_first(peers_of(detector), tensors_of(detector));
  if (settings.statistics_images > 0 && !left) {
    moves.prepare();
    reestimate_statistics(detector, counted, defence.color, settings.statistics_images, device);
  }
  Training training(detector, moves, defence, settings, seed, device);
  if (left) {
    training.set_state(left->training);
    next.skip(taken = left->batches);
    notify::known_steps(observer, training.done());
  }
  const auto keep = [&] {
    if (unfinished) unfinished->keep({training.state(), taken});
  };
  while (!training.finished()) {
    const double loss = training.step(counted);
    try {
      notify::step(observer, training.done(), loss);
    } catch (const Interrupted&) {
      keep();
      throw;
    }
    if (unfinished && unfinished->is_due()) keep();
  }
  training.finish();
}

}  // namespace serpette
