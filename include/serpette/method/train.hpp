#pragma once

#include <cmath>
#include <memory>
#include <numbers>
#include <vector>

#include "serpette/concepts/observer.hpp"
#include "serpette/method/settings.hpp"
#include "serpette/method/state.hpp"
#include "serpette/method/together.hpp"
#include "serpette/method/view.hpp"
#include "serpette/torch/nn.hpp"

namespace serpette {

/// Learning rate of a step: linear warm-up, then a half cosine to zero.
inline double learning_rate(const TrainSettings& settings, std::int64_t step) {
  if (step < settings.warmup)
    return settings.learning_rate * static_cast<double>(step + 1) /
           static_cast<double>(settings.warmup + 1);
  const auto span =
      static_cast<double>(std::max<std::int64_t>(1, settings.steps - settings.warmup));
  return settings.learning_rate * 0.5 *
         (1 + std::cos(std::numbers::pi * static_cast<double>(step - settings.warmup) / span));
}

/// The optimizer of a training stage over a detector's tensors; decay on convolution weights only.
template <Detector D>
std::unique_ptr<torch::optim::Optimizer> make_optimizer(D& detector,
                                                        const TrainSettings& settings) {
  std::vector<at::Tensor> decayed, plain;
  for (const int index : detector.graph().convolutions()) {
    const LayerParameters layer = detector.layer(index);
    decayed.push_back(layer.weight);
    for (const auto& tensor : {layer.bias, layer.gamma, layer.beta})
      if (tensor.defined()) plain.push_back(tensor);
  }
  std::vector<torch::optim::OptimizerParamGroup> groups;
  if (settings.optimizer == TrainSettings::Optimizer::kSgd) {
    const auto options = [&](double decay) {
      return std::make_unique<torch::optim::SGDOptions>(
          torch::optim::SGDOptions(settings.learning_rate)
              .momentum(settings.momentum)
              .weight_decay(decay));
    };
    groups.emplace_back(decayed, options(settings.weight_decay));
    groups.emplace_back(plain, options(0));
    return std::make_unique<torch::optim::SGD>(groups,
                                               torch::optim::SGDOptions(settings.learning_rate));
  }
  const auto options = [&](double decay) {
    return std::make_unique<torch::optim::AdamOptions>(
        torch::optim::AdamOptions(settings.learning_rate).weight_decay(decay));
  };
  groups.emplace_back(decayed, options(settings.weight_decay));
  groups.emplace_back(plain, options(0));
  return std::make_unique<torch::optim::Adam>(groups,
                                              torch::optim::AdamOptions(settings.learning_rate));
}

/// Robust training (PGD-AT): every batch is part clean, part attacked; attacks are crafted with
/// batch norm in evaluation mode; a mask, where given, is re-applied after every step, so what is
/// pruned stays pruned. A detector with peers is trained together: every process calls this with
/// its share of each batch, crafts the attacks on it, and ends with the network that one process
/// with whole batches would have.
/// @param next  a callable that returns the next ImageBatch of training views, on any device.
template <Detector D, class Next, Attack A, ColorMode Color, Observer O>
void train(D& detector, Next&& next, const A& attack, const Color& color,
           const TrainSettings& settings, Seed seed, const Mask* mask, at::Device device,
           O& observer) {
  if (settings.steps == 0) return;
  const Peers peers = peers_of(detector);
  take_from_first(peers, tensors_of(detector));
  Generator rng(peers.alone()
                    ? seed
                    : seed.derive("process").derive(static_cast<std::uint64_t>(peers.share.rank)));
  const auto optimizer = make_optimizer(detector, settings);
  for (std::int64_t step = 0; step < settings.steps; ++step) {
    auto clean = next().to(device);
    require(clean.size() > 0, "training",
            "should find readable images for every batch, got none at step {}", step + 1);
    auto batch = robust_batch(detector, std::move(clean), attack, color, settings.attacked, rng);
    for (auto& group : optimizer->param_groups())
      group.options().set_lr(learning_rate(settings, step));

    detector.train(true);
    const auto mean = detector.loss(detector.forward(batch.images), batch.truth).total();
    const auto loss = part_of_whole(peers, mean, batch.size());
    optimizer->zero_grad();
    loss.backward();
    sum_gradients(peers, detector.parameters());
    if (settings.clip > 0) torch::nn::utils::clip_grad_norm_(detector.parameters(), settings.clip);
    optimizer->step();
    detector.train(false);
    if (mask) apply_mask(*mask, detector);
    const double value = total(peers, loss);
    require(std::isfinite(value), "training",
            "the loss should be finite, got {} at step {}; lower the learning rate", value,
            step + 1);
    notify::step(observer, step + 1, value);
  }
}

}  // namespace serpette
