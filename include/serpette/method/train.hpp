#pragma once

#include <fmt/ranges.h>

#include <cmath>
#include <cstdint>

#include "serpette/concepts/observer.hpp"
#include "serpette/method/defence.hpp"
#include "serpette/method/moved_weights.hpp"
#include "serpette/method/optimizer.hpp"
#include "serpette/method/settings.hpp"
#include "serpette/method/state.hpp"
#include "serpette/method/statistics.hpp"
#include "serpette/method/together.hpp"
#include "serpette/method/view.hpp"
#include "serpette/torch/nn.hpp"

namespace serpette {

/// The training loop: of robust training, fine-tuning and score training alike. Every step takes a
/// batch, lets the objective say its loss, attacks crafted with batch norm in evaluation mode, and
/// moves what `moves` says: the weights (MovedWeights) or scores (MovedScores). A detector with
/// peers is trained together: every process calls this with its share of each batch, crafts the
/// attacks on it, and ends with what one process with whole batches would have.
/// @param moves  what a step moves.
/// @param next   gives the next batch of training views, on any device.
/// @throws Error  if a batch has no readable image, or the loss of a step is not finite; the step
/// is not made then.
template <Detector D, class Moves, Observer O>
void train(D& detector, Moves&& moves, const BatchSource& next, const Defence& defence,
           const TrainSettings& settings, Seed seed, at::Device device, O& observer) {
  if (settings.steps == 0 && settings.statistics_images == 0) return;
  const Peers peers = peers_of(detector);
  take_from_first(peers, tensors_of(detector));
  if (settings.statistics_images > 0) {
    moves.prepare();
    reestimate_statistics(detector, next, defence.color, settings.statistics_images, device);
  }
  Generator rng(peers.alone()
                    ? seed
                    : seed.derive("process").derive(static_cast<std::uint64_t>(peers.share.rank)));
  const Adversary adversary = make_adversary(detector, defence.attack, defence.color, rng);
  AnyDetector any(detector);
  const auto loss_of = defence.objective.start({.share = peers.share, .teacher = defence.teacher});
  const auto optimizer = make_optimizer(moves.tensors(), settings);
  MovingAverage average(settings.average, moves.averaged());
  ImageBatch batch;
  for (std::int64_t step = 0; step < settings.steps; ++step) {
    if (step % defence.objective.replays == 0) {
      batch = next().to(device);
      require(batch.size() > 0, "training",
              "should find readable images for every batch, got none at step {}", step + 1);
      batch.images = network_images(defence.color, batch.images);
    }
    moves.prepare();
    for (auto& group : optimizer->param_groups())
      group.options().set_lr(learning_rate(settings, step));
    for (const auto& parameter : detector.parameters()) parameter.mutable_grad() = at::Tensor();

    detector.train(true);
    const auto loss = part_of_whole(peers, loss_of(any, batch, adversary), batch.size());
    loss.backward();
    detector.train(false);

    sum_gradients(peers, detector.parameters());
    const double value = total(peers, loss);
    require(std::isfinite(value), "training",
            "the loss should be finite, got {} at step {} on the images {}; lower the learning "
            "rate, or look at these images",
            value, step + 1, fmt::join(batch.image_ids, ", "));
    const auto gradients = moves.gradients();
    if (settings.clip > 0) torch::nn::utils::clip_grad_norm_(gradients, settings.clip);
    moves.step(*optimizer);
    average.update();
    notify::step(observer, step + 1, value);
  }
  average.write();
  moves.settle();
}

}  // namespace serpette
