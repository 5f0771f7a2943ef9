#pragma once

#include <vector>

#include "serpette/method/state.hpp"
#include "serpette/method/train.hpp"
#include "serpette/prune/mask.hpp"

namespace serpette {

/// HYDRA's score training. The network runs on  eff = w · M(|s|)  with the mask of the current
/// scores; SGD moves the scores along the policy's straight-through gradient, the weights stay as
/// they are. The detector comes back unchanged, batch norm statistics included.
/// @param optimizer  the policy's: learning_rate, momentum, gradient(∂L/∂eff, w, s).
/// @param settings   steps, batch size, warm-up, clip and attacked part; its learning rate is the
/// optimizer's.
template <Detector D, class Optimizer, PruneGranularity Granularity, class Next, Attack A,
          ColorMode Color, Observer O>
ScoreMap train_scores(D& detector, ScoreMap scores, const Optimizer& optimizer,
                      const Granularity& granularity, Ratio ratio, Next&& next, const A& attack,
                      const Color& color, TrainSettings settings, Seed seed, at::Device device,
                      O& observer) {
  if (settings.steps == 0) return scores;
  settings.learning_rate = optimizer.learning_rate;
  const auto before = state_of(detector);
  std::vector<at::Tensor> weights, dense, velocity;
  for (const int index : detector.graph().convolutions()) {
    weights.push_back(LayerParameters(detector.layer(index)).weight);
    dense.push_back(weights.back().detach().clone());
    velocity.push_back(at::zeros_like(dense.back()));
  }
  Generator rng(seed);
  for (std::int64_t step = 0; step < settings.steps; ++step) {
    restore(detector, before, "score training");
    apply_mask(make_mask(detector.graph(), scores, ratio, granularity), detector);
    const auto batch =
        robust_batch(detector, next().to(device), attack, color, settings.attacked, rng);

    detector.train(true);
    for (const auto& weight : weights) weight.mutable_grad() = at::Tensor();
    const auto loss = detector.loss(detector.forward(batch.images), batch.truth).total();
    loss.backward();
    detector.train(false);
    if (settings.clip > 0) torch::nn::utils::clip_grad_norm_(weights, settings.clip);

    const double rate = learning_rate(settings, step);
    for (std::size_t i = 0; i < scores.size(); ++i) {
      velocity[i]
          .mul_(optimizer.momentum)
          .add_(optimizer.gradient(weights[i].grad(), dense[i], scores[i]));
      scores[i] = scores[i] - velocity[i] * rate;
    }
    notify::step(observer, step + 1, loss.template item<double>());
  }
  restore(detector, before, "score training");
  return scores;
}

}  // namespace serpette
